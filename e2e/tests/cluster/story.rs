//! A customer from the first YAML to the last instance.

use cloudigrade_api::Phase;
use e2e::{Environment, Failure, until};
use jiff::Timestamp;

/// The highest number of RHEL instances at once today, from `cloudigrade report -o json`.
async fn concurrent_today(org: &str) -> Result<i64, Failure> {
    let output = tokio::process::Command::new("cloudigrade")
        .args(["report", "concurrent", "--org", org, "-o", "json"])
        .output()
        .await?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
    let days = report["concurrent"].as_array().ok_or("no days")?.clone();
    let counts = days
        .iter()
        .filter(|day| day["date"] == today.as_str())
        .flat_map(|day| {
            day["maximum_counts"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        });
    let any = |count: &serde_json::Value| {
        ["arch", "role", "sla", "usage", "service_type"]
            .iter()
            .all(|key| count[key] == "_ANY")
    };
    Ok(counts
        .filter(any)
        .filter_map(|count| count["instances_count"].as_i64())
        .max()
        .unwrap_or(0))
}

#[tokio::test]
async fn an_account_is_metered_from_yaml_to_report() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("story").await?;
    let rhel = customer
        .image(&environment, "rhel-release", "us-east-1")
        .await?;
    let certificate = customer
        .image(&environment, "rhel-cert", "us-east-1")
        .await?;
    let debian = customer.image(&environment, "debian", "eu-west-1").await?;
    let windows = customer.image(&environment, "ntfs", "us-east-1").await?;
    let before = customer.launch(&rhel, "us-east-1").await?;
    customer.launch(&debian, "eu-west-1").await?;

    // Applied, it becomes ready, and running instances are known.
    let resources = environment.resources("story").await?;
    resources.apply("story", &customer).await?;
    for condition in ["AccessVerified", "TrailConfigured", "Discovered", "Ready"] {
        resources
            .condition("story", condition, "True", None)
            .await?;
    }
    let status = resources
        .accounts
        .get("story")
        .await?
        .status
        .unwrap_or_default();
    assert_eq!(
        status.account_id.as_deref(),
        Some(customer.account.as_str())
    );
    assert_eq!(
        status
            .instances
            .map(|counts| (counts.known, counts.running)),
        Some((2, 2))
    );
    assert_eq!(
        customer.trails().await?,
        [format!("cloudigrade-{}", customer.account)]
    );
    until("the events that kubectl describe shows", || async {
        let mut reasons = resources.event_reasons("story").await?;
        // It may come at any time from here on.
        reasons.retain(|reason| reason != "Delivering");
        reasons.sort();
        let expected = [
            "Metering",
            "RegionsDescribed",
            "RoleAssumed",
            "TrailLogging",
        ];
        if reasons == expected {
            Ok(())
        } else {
            Err(format!("{reasons:?}").into())
        }
    })
    .await?;

    // From here on, changes arrive through the trail.
    let added = customer.launch(&certificate, "us-east-1").await?;
    customer.launch(&windows, "us-east-1").await?;
    let ec2 = customer.ec2("us-east-1");
    until("the new instance's run", || async {
        let runs = environment.runs(&customer.account).await?;
        let open = runs.iter().any(|run| {
            run.instance == added && run.open && run.instance_type.as_deref() == Some("t3.medium")
        });
        if open {
            Ok(())
        } else {
            Err(format!("{runs:?}").into())
        }
    })
    .await?;
    ec2.stop_instances().instance_ids(&before).send().await?;
    until("the stopped instance's run to end", || async {
        let runs = environment.runs(&customer.account).await?;
        if runs.iter().any(|run| run.instance == before && !run.open) {
            Ok(())
        } else {
            Err(format!("{runs:?}").into())
        }
    })
    .await?;

    // Every image is inspected, and an unreadable one is not called clean.
    for (image, phase, is_rhel) in [
        (&rhel, Phase::Inspected, Some(true)),
        (&certificate, Phase::Inspected, Some(true)),
        (&debian, Phase::Inspected, Some(false)),
        (&windows, Phase::Error, None),
    ] {
        let (ended, inspection) = resources.inspected(image).await?;
        let status = inspection.status.unwrap_or_default();
        assert_eq!(ended, phase, "{image}: {status:?}");
        assert_eq!(
            status.verdict.map(|verdict| verdict.rhel),
            is_rhel,
            "{image}"
        );
        if phase == Phase::Error {
            assert!(
                status.conditions.iter().any(|c| c.message.contains("ntfs")),
                "{:?}",
                status.conditions
            );
        }
    }
    until("two RHEL instances at once in the report", || async {
        match concurrent_today(&customer.org).await? {
            2 => Ok(()),
            other => Err(format!("{other} in the report").into()),
        }
    })
    .await?;
    until("the counts in status", || async {
        let status = resources
            .accounts
            .get("story")
            .await?
            .status
            .unwrap_or_default();
        let counts = status.images.clone().unwrap_or_default();
        let running = status.instances.clone().unwrap_or_default().running;
        if (counts.known, counts.rhel, counts.error, running) == (4, 2, 1, 3) {
            Ok(())
        } else {
            Err(format!("{status:?}").into())
        }
    })
    .await?;

    // Deleted, nothing of it is left in AWS; history stays.
    resources.delete("story").await?;
    assert!(customer.trails().await?.is_empty());
    let runs = environment.runs(&customer.account).await?;
    assert!(
        runs.len() == 4 && runs.iter().all(|run| !run.open),
        "{runs:?}"
    );
    assert_eq!(concurrent_today(&customer.org).await?, 2);
    resources.done().await
}

#[tokio::test]
async fn an_image_known_already_needs_no_job() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("known").await?;
    let image = customer
        .image(&environment, "rhel-release", "us-east-1")
        .await?;
    customer.launch(&image, "us-east-1").await?;
    let resources = environment.resources("known").await?;
    resources.apply("known", &customer).await?;
    resources.inspected(&image).await?;
    let by_hand = resources.inspect("known", &image, "us-east-1").await?;
    let name = by_hand.metadata.name.unwrap_or_default();
    until("the inspection made by hand", || async {
        let status = resources
            .inspections
            .get(&name)
            .await?
            .status
            .unwrap_or_default();
        let known = status
            .conditions
            .iter()
            .any(|c| c.type_ == "Inspected" && c.reason == "AlreadyKnown");
        if known && status.phase == Phase::Inspected && status.runner.is_none() {
            Ok(())
        } else {
            Err(format!("{status:?}").into())
        }
    })
    .await?;
    resources.delete("known").await?;
    resources.done().await
}
