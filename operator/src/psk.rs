//! Pre-shared keys of the services that may use the REST API.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use cloudigrade_cloud::Secret;
use subtle::ConstantTimeEq;

/// Fewest characters of a key: a key opens every organization.
const SHORTEST: usize = 16;

/// Pre-shared keys, by the name of the service that holds each.
#[derive(Clone, Debug, Default)]
pub struct PreSharedKeys(Arc<BTreeMap<String, Secret>>);

impl FromStr for PreSharedKeys {
    type Err = String;

    /// Reads `{"service": "key"}`. Errors never contain a key; clap's would, so that it is not clap who reads them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys: BTreeMap<String, String> = serde_json::from_str(text)
            .map_err(|_| "it must be JSON like {\"service\": \"key\"}".to_owned())?;
        if let Some((service, _)) = keys.iter().find(|(_, key)| key.len() < SHORTEST) {
            return Err(format!(
                "the key of {service} has fewer than {SHORTEST} characters; make one with: openssl rand -hex 24"
            ));
        }
        let secret = |(service, key): (String, String)| (service, Secret::new(key));
        Ok(Self(Arc::new(keys.into_iter().map(secret).collect())))
    }
}

impl PreSharedKeys {
    /// Returns the service that holds `key`. Every key is compared, in constant time.
    pub(crate) fn service(&self, key: &str) -> Option<&str> {
        let mut found = None;
        for (service, known) in self.0.iter() {
            if known.expose().as_bytes().ct_eq(key.as_bytes()).into() {
                found = Some(service.as_str());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_keys_does_not_show_them() {
        let error = r#"{"swatch": "secret-key"#.parse::<PreSharedKeys>().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
        let error = r#"{"swatch": "short"}"#.parse::<PreSharedKeys>().unwrap_err();
        assert!(
            error.starts_with("the key of swatch has fewer than 16 characters"),
            "{error}"
        );
        let psks: PreSharedKeys = r#"{"swatch": "secret-key-of-swatch"}"#.parse().unwrap();
        assert!(!format!("{psks:?}").contains("secret"));
    }
}
