//! The emulator's own endpoints: faults, and the list of calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, until};

/// The AWS emulator.
#[derive(Clone, Debug)]
pub struct Emulator {
    http: reqwest::Client,
    /// Where AWS is
    pub endpoint: String,
}

/// A fault of the calls it matches.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Fault<'a> {
    pub service: &'a str,
    pub operation: &'a str,
    pub account: &'a str,
    /// Parameters of the call by name; `None` for one that must be absent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<&'a str, Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// Strikes when the call has had its effect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// One call that was made.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Call {
    pub id: u64,
    pub service: String,
    pub operation: String,
    pub account: String,
    pub status: Option<u16>,
    pub held: bool,
}

impl Emulator {
    pub(crate) fn new(endpoint: String) -> Self {
        Self {
            http: reqwest::Client::new(),
            endpoint,
        }
    }

    /// Sets a fault; returns its id.
    ///
    /// # Errors
    /// When the emulator does not take it.
    pub async fn fault(&self, fault: &Fault<'_>) -> Result<u64, Failure> {
        let request = self
            .http
            .post(format!("{}/_emulator/faults", self.endpoint));
        let body = serde_json::to_string(fault)?;
        let answer = request
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await?
            .error_for_status()?;
        let made: Value = serde_json::from_str(&answer.text().await?)?;
        made["id"]
            .as_u64()
            .ok_or_else(|| format!("no id in {made}").into())
    }

    /// Clears one fault.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn clear(&self, fault: u64) -> Result<(), Failure> {
        self.http
            .delete(format!("{}/_emulator/faults/{fault}", self.endpoint))
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Calls of an account after the call `after`, oldest first.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn calls(&self, account: &str, after: u64) -> Result<Vec<Call>, Failure> {
        let url = format!(
            "{}/_emulator/calls?account={account}&after={after}",
            self.endpoint
        );
        Ok(serde_json::from_str(
            &self
                .http
                .get(url)
                .send()
                .await?
                .error_for_status()?
                .text()
                .await?,
        )?)
    }

    /// Waits until such a call is being held.
    ///
    /// # Errors
    /// When none comes.
    pub async fn held(&self, service: &str) -> Result<(), Failure> {
        let url = format!(
            "{}/_emulator/calls?held=True&service={service}",
            self.endpoint
        );
        until(&format!("a call to {service} to be held"), || async {
            let calls: Vec<Call> =
                serde_json::from_str(&self.http.get(&url).send().await?.text().await?)?;
            let waiting = calls.into_iter().find(|call| call.status.is_none());
            waiting.map(|_| ()).ok_or_else(|| "not called yet".into())
        })
        .await
    }
}
