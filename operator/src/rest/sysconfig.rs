//! Settings that a customer needs to set up an account.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::AppState;
use super::identity::AnyIdentity;

/// The account to trust, the policy to grant, and this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Sysconfig {
    /// The account that a customer's role has to trust
    aws_account_id: Option<String>,
    aws_policies: Policies,
    version: Option<String>,
}

/// IAM policies by purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Policies {
    traditional_inspection: Policy,
}

/// An IAM policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// One statement of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: &'static str,
}

pub(super) async fn get(State(state): State<AppState>, _: AnyIdentity) -> Json<Sysconfig> {
    Json(Sysconfig {
        aws_account_id: state.own_account,
        aws_policies: Policies {
            traditional_inspection: Policy {
                version: "2012-10-17",
                statement: vec![Statement {
                    sid: "CloudigradePolicy",
                    effect: "Allow",
                    action: state.customer_actions,
                    resource: "*",
                }],
            },
        },
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    })
}
