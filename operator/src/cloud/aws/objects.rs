//! S3 in the own account.

use super::Aws;
use crate::cloud::{Object, ObjectError, Objects};

/// Every bucket the own identity may read.
#[derive(Clone, Debug)]
pub struct S3Objects {
    aws: Aws,
    client: aws_sdk_s3::Client,
}

impl S3Objects {
    /// S3 as the own identity.
    pub fn new(aws: Aws) -> Self {
        let client = aws.s3();
        Self { aws, client }
    }
}

impl Objects for S3Objects {
    async fn get(&self, bucket: &str, key: &str, limit: usize) -> Result<Object, ObjectError> {
        let get = self.client.get_object().bucket(bucket).key(key).send();
        let object = self
            .aws
            .call("s3", "GetObject", get)
            .await
            .map_err(|error| match error.code.as_str() {
                "NoSuchKey" => ObjectError::Missing,
                _ => ObjectError::Cloud(error),
            })?;
        let etag = object
            .e_tag
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned();
        let mut body = object.body;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ObjectError::Interrupted(error.to_string()))?;
            if bytes.len() + chunk.len() > limit {
                return Err(ObjectError::TooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Object { etag, bytes })
    }
}
