//! Secrets that are not external ids, and roles that are not customers'.

use cloudigrade_api::SecretKeyRef;
use e2e::{Environment, Failure};
use kube::ResourceExt;
use kube::api::PostParams;

#[tokio::test]
async fn a_secret_that_is_not_marked_stays_unread() -> Result<(), Failure> {
    const PASSWORD: &str = "correct horse battery staple";
    let environment = Environment::enter().await?;
    let customer = environment.customer("secret").await?;
    let resources = environment.resources("secret").await?;
    resources.secret("database", "Opaque", PASSWORD).await?;
    let mut manifest = resources.manifest("secret", &customer)?;
    manifest.spec.aws.external_id = None;
    manifest.spec.aws.external_id_secret_ref = Some(SecretKeyRef {
        name: "database".into(),
        key: "value".into(),
    });
    let accounts = &resources.accounts;
    accounts.create(&PostParams::default(), &manifest).await?;
    resources
        .condition(
            "secret",
            "AccessVerified",
            "False",
            Some("ExternalIdSecretUnmarked"),
        )
        .await?;
    let status = format!("{:?}", accounts.get("secret").await?.status);
    assert!(!status.contains(PASSWORD), "{status}");
    resources.delete("secret").await?;
    resources.done().await
}

#[tokio::test]
async fn an_external_id_in_a_secret_of_its_type_lets_an_account_be_metered() -> Result<(), Failure>
{
    let environment = Environment::enter().await?;
    let customer = environment.customer("marked").await?;
    let resources = environment.resources("marked").await?;
    let secret = resources
        .secret(
            "marked",
            "cloudigrade.io/external-id",
            &customer.external_id,
        )
        .await?;
    let mut manifest = resources.manifest("marked", &customer)?;
    manifest.spec.aws.external_id = None;
    manifest.spec.aws.external_id_secret_ref = Some(SecretKeyRef {
        name: secret.name_any(),
        key: "value".into(),
    });
    let accounts = &resources.accounts;
    accounts.create(&PostParams::default(), &manifest).await?;
    resources.condition("marked", "Ready", "True", None).await?;
    resources.delete("marked").await?;
    resources.done().await
}

#[tokio::test]
async fn a_role_of_the_own_account_is_refused() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("own").await?;
    let resources = environment.resources("own").await?;
    let mut manifest = resources.manifest("own", &customer)?;
    manifest.spec.aws.role_arn = "arn:aws:iam::123456789012:role/administrator".into();
    let accounts = &resources.accounts;
    accounts.create(&PostParams::default(), &manifest).await?;
    resources
        .condition("own", "AccessVerified", "False", Some("OwnAccount"))
        .await?;
    resources.delete("own").await?;
    resources.done().await
}
