//! S3 in the own account.

use futures::{Stream, TryStreamExt, stream};

use super::Aws;
use cloudigrade_cloud::{CloudError, Object, ObjectError, Objects};

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

impl S3Objects {
    /// The keys of a bucket that begin with `prefix`, in order.
    pub fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
    ) -> impl Stream<Item = Result<String, CloudError>> + Send + 'a {
        let pages = stream::try_unfold(
            Some(None),
            move |after: Option<Option<String>>| async move {
                let Some(after) = after else {
                    return Ok(None);
                };
                let list = self
                    .client
                    .list_objects_v2()
                    .bucket(bucket)
                    .prefix(prefix)
                    .set_start_after(after)
                    .send();
                let page = self.aws.call("s3", "ListObjectsV2", list).await?;
                let keys: Vec<String> = page
                    .contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| object.key)
                    .collect();
                let next = keys
                    .last()
                    .cloned()
                    .filter(|_| page.is_truncated == Some(true));
                Ok(Some((keys, next.map(Some))))
            },
        );
        pages
            .map_ok(|keys| stream::iter(keys.into_iter().map(Ok)))
            .try_flatten()
    }
}
