//! Writers of all kinds at once.

use super::*;

/// Log files, tags, descriptions and claims, all at once on the same few accounts and images: nobody waits in a circle.
#[tokio::test]
async fn no_two_writers_wait_for_each_other() {
    let db = TestDatabase::new().await;
    let accounts = [
        db.enrol("210987654321", "org").await,
        db.enrol("310987654321", "org").await,
        db.enrol("410987654321", "other").await,
    ];
    let of_all: Vec<NewEvent> = accounts
        .iter()
        .flat_map(|account| events_of(*account, &events(&["i-1 on 0", "i-2 on 1"])))
        .collect();
    db.record(&of_all).await;
    let image: i64 = sqlx::query_scalar("select id from image")
        .fetch_one(&*db)
        .await
        .unwrap();
    let log_files = (0..20).map(async |minute| {
        let mut events: Vec<NewEvent> = of_all.clone();
        for event in &mut events {
            event.event_id = minute.to_string();
            event.at = at(minute);
        }
        if minute % 2 == 0 {
            events.reverse();
        }
        db.record(&events).await;
    });
    let tags = (0..20).map(async |minute| {
        apply(&db, &[tag(minute, Tag::Rhel, minute % 2 == 0)]).await;
    });
    let verdicts = (0..20).map(async |_| db.image_changed(image).await);
    let suspensions = (0..20).map(async |minute| {
        let holder = enrolments::holder(&db, "310987654321")
            .await
            .unwrap()
            .unwrap();
        let (account, uid) = (holder.account, holder.uid);
        enrolments::suspend(&db, account, uid, at(minute))
            .await
            .unwrap();
        enrolments::enable(&db, account, uid, at(minute))
            .await
            .unwrap();
    });
    let all = async {
        tokio::join!(
            futures::future::join_all(log_files),
            futures::future::join_all(tags),
            futures::future::join_all(verdicts),
            futures::future::join_all(suspensions),
        )
    };
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, all).await.unwrap();
}
