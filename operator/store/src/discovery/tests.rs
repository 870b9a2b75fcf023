use super::*;
use crate::NewEvent;
use crate::account_status;
use crate::testing::{TestDatabase, events_of};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn found(id: &str, image_id: Option<&str>) -> FoundInstance {
    FoundInstance {
        id: id.into(),
        region: "us-east-1".into(),
        image_id: image_id.map(str::to_owned),
    }
}

fn event(kind: EventKind, minutes: i64) -> NewEvent {
    let at = NOW + jiff::SignedDuration::from_mins(minutes);
    NewEvent {
        account: AccountKey(0),
        event_id: format!("{kind:?}-{minutes}"),
        instance_id: "i-1".into(),
        region: "us-east-1".into(),
        image_id: None,
        kind,
        at,
        instance_type: Some("t3.micro".into()),
    }
}

fn image(id: &str, rhel_tag: bool) -> ImageDescription {
    ImageDescription {
        id: id.into(),
        name: Some("a name".into()),
        owner_id: Some("309956199498".into()),
        architecture: Some("x86_64".into()),
        windows: false,
        marketplace: false,
        rhel_tag,
        openshift_tag: false,
    }
}

#[tokio::test]
async fn the_newest_power_event_is_told_whatever_came_after_it() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "11111111").await;
    let events = [
        event(EventKind::PowerOff, 2),
        event(EventKind::AttributeChange, 3),
        event(EventKind::PowerOn, 1),
    ];
    database.record(&events_of(account, &events)).await;
    let mut transaction = database.begin().await.unwrap();
    let mut changes = Changes::default();
    name_instances(
        &mut transaction,
        account,
        &[found("i-2", None)],
        &mut changes,
    )
    .await
    .unwrap();
    let mut known = instances(&mut transaction, account).await.unwrap();
    known.sort_by(|a, b| a.id.cmp(&b.id));
    let told: Vec<_> = known
        .into_iter()
        .map(|instance| (instance.id, instance.power))
        .collect();
    let off = (
        EventKind::PowerOff,
        NOW + jiff::SignedDuration::from_mins(2),
    );
    assert_eq!(
        told,
        [("i-1".to_owned(), Some(off)), ("i-2".to_owned(), None)]
    );
}

#[tokio::test]
async fn found_twice_is_found_once_and_what_the_cloud_says_of_images_is_kept() {
    let database = TestDatabase::new().await;
    let account = database.enrol("210987654321", "11111111").await;
    let found = [
        found("i-1", Some("ami-1")),
        found("i-2", Some("ami-2")),
        found("i-3", Some("ami-2")),
    ];
    let mut transaction = database.begin().await.unwrap();
    let mut changes = Changes::default();
    for _ in 0..2 {
        name_instances(&mut transaction, account, &found, &mut changes)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    let counted = async || {
        let counts = account_status::counts(&database, account).await.unwrap();
        (counts.instances, counts.images, counts.pending, counts.rhel)
    };
    assert_eq!(counted().await, (3, 2, 2, 0));
    let described = [image("ami-1", true)];
    describe_images(&database, "210987654321", "us-east-1", &described, NOW)
        .await
        .unwrap();
    assert_eq!(counted().await, (3, 2, 1, 1));
}
