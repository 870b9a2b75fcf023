//! Describes and inspects images, and describes instance types, while log files are being recorded.

use std::convert::Infallible;
use std::time::Duration;

use cloudigrade_store::inspections::{self, NewFindings};
use cloudigrade_store::{discovery, instance_types};
use jiff::Timestamp;
use metering::described::{ImageDescription, InstanceType};
use metering::generator::{GeneratedDisk, size};
use metering::image::DiskFindings;
use serde_json::{Value, json};
use tokio::time::interval;

use super::{Failure, TruthDatabase, TruthWorld};

/// Inspects new images all the time, so that days are in the cache whose usage an inspection changes.
pub(crate) async fn keep_inspecting(world: &TruthWorld, database: &TruthDatabase) -> Infallible {
    let mut pace = interval(Duration::from_millis(100));
    loop {
        pace.tick().await;
        // As in the operator, the next round does what this one failed to do.
        if let Err(failure) = inspect(world, database).await {
            eprintln!("inspecting again after: {failure}");
        }
    }
}

/// Inspects the images and describes the types that are in the database and not described yet.
pub(crate) async fn inspect(world: &TruthWorld, database: &TruthDatabase) -> Result<(), Failure> {
    let (pool, now) = (&database.pool, Timestamp::now());
    let images: Vec<(String, String)> =
        sqlx::query_as("select image_id, region from image where described_at is null")
            .fetch_all(pool)
            .await?;
    for (image_id, region) in images {
        let disk = world.truth.disks.get(&image_id);
        let disk = disk.ok_or_else(|| format!("{image_id} is none of the generated images"))?;
        if let Some(findings) = &disk.findings {
            let facts = entry(findings);
            let new = NewFindings {
                facts: &facts,
                rhel: findings.rhel,
                distribution: disk.distribution.as_deref(),
                version: None,
            };
            inspections::record(pool, &image_id, &region, new, now).await?;
        }
        let described = [description(&image_id, disk)];
        discovery::describe_images(pool, "210000000000", &region, &described, now).await?;
    }
    for due in instance_types::due(pool, now).await? {
        let described: Vec<_> = due.names.iter().filter_map(|name| type_of(name)).collect();
        instance_types::save(pool, &due.names, &described, now).await?;
    }
    Ok(())
}

/// houndigrade's entry of an image.
fn entry(findings: &DiskFindings) -> Value {
    let stated = &findings.syspurpose;
    json!({
        "rhel_found": findings.rhel,
        "syspurpose": {
            "role": stated.role,
            "service_level_agreement": stated.sla,
            "usage": stated.usage,
            "service_type": stated.service_type,
        },
    })
}

fn description(image_id: &str, disk: &GeneratedDisk) -> ImageDescription {
    ImageDescription {
        id: image_id.to_owned(),
        name: None,
        owner_id: None,
        architecture: Some(disk.architecture.clone()),
        windows: false,
        marketplace: false,
        rhel_tag: false,
        openshift_tag: false,
    }
}

fn type_of(name: &str) -> Option<InstanceType> {
    let size = size(name)?;
    Some(InstanceType {
        name: name.to_owned(),
        vcpus: size.vcpus.into(),
        memory_mib: size.memory_mib.into(),
    })
}
