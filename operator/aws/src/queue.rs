//! SQS in the own account.

use std::time::Duration;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};

use super::Aws;
use cloudigrade_cloud::{CloudError, Message, Queue, VISIBILITY_TIMEOUT};

/// The queue at one URL.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    aws: Aws,
    client: aws_sdk_sqs::Client,
    url: String,
}

impl SqsQueue {
    /// The queue at `url`, as the own identity.
    pub fn new(aws: Aws, url: String) -> Self {
        let client = aws.sqs();
        Self { aws, client, url }
    }
}

/// SQS counts whole seconds; none of ours come near the limit of its numbers.
fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

impl Queue for SqsQueue {
    async fn receive(&self, wait: Duration) -> Result<Vec<Message>, CloudError> {
        let receive = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(VISIBILITY_TIMEOUT))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send();
        let received = self.aws.call("sqs", "ReceiveMessage", receive).await?;
        let message = |message: aws_sdk_sqs::types::Message| {
            let receives = message
                .attributes
                .as_ref()
                .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
                .and_then(|count| count.parse().ok());
            Message {
                id: message.message_id.unwrap_or_default(),
                receipt: message.receipt_handle.unwrap_or_default(),
                body: message.body.unwrap_or_default(),
                receives: receives.unwrap_or(1),
            }
        };
        Ok(received
            .messages
            .unwrap_or_default()
            .into_iter()
            .map(message)
            .collect())
    }

    async fn delete(&self, receipts: &[String]) -> Result<Vec<String>, CloudError> {
        let entry = |(position, receipt): (usize, &String)| {
            let entry = DeleteMessageBatchRequestEntry::builder();
            entry
                .id(position.to_string())
                .receipt_handle(receipt)
                .build()
                .ok()
        };
        let delete = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(
                receipts.iter().enumerate().filter_map(entry).collect(),
            ))
            .send();
        // The call succeeds though single messages may not have been deleted.
        let deleted = self.aws.call("sqs", "DeleteMessageBatch", delete).await?;
        let receipt_of = |id: &str| {
            id.parse()
                .ok()
                .and_then(|position: usize| receipts.get(position).cloned())
        };
        Ok(deleted
            .failed()
            .iter()
            .filter_map(|failed| receipt_of(failed.id()))
            .collect())
    }

    async fn change_visibility(&self, receipt: &str, time: Duration) -> Result<(), CloudError> {
        let hide = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds(time))
            .send();
        self.aws
            .call("sqs", "ChangeMessageVisibility", hide)
            .await
            .map(drop)
    }
}
