use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    Classification, ClassificationReason, Dimension, DiskFindings, ImageAttributes, Syspurpose,
    classify,
};

const RED_HAT: &str = "309956199498";

fn inspected(rhel: bool) -> Option<DiskFindings> {
    Some(DiskFindings {
        rhel,
        syspurpose: Syspurpose::default(),
    })
}

fn named(name: &str, owner: &str) -> ImageAttributes {
    ImageAttributes {
        name: Some(name.into()),
        owner_id: Some(owner.into()),
        ..ImageAttributes::default()
    }
}

#[rstest]
#[case::nothing_known(ImageAttributes::default(), None, &[])]
#[case::inspected(ImageAttributes { inspected: inspected(true), ..ImageAttributes::default() }, Some(true), &[ClassificationReason::InspectedRhel])]
#[case::inspected_other(ImageAttributes { inspected: inspected(false), ..ImageAttributes::default() }, Some(false), &[ClassificationReason::InspectedOther])]
#[case::tagged(ImageAttributes { rhel_tag: true, ..ImageAttributes::default() }, Some(true), &[ClassificationReason::RhelTag])]
#[case::tag_wins_over_inspection(ImageAttributes { rhel_tag: true, inspected: inspected(false), ..ImageAttributes::default() }, Some(true), &[ClassificationReason::RhelTag])]
#[case::tag_and_inspection_agree(ImageAttributes { rhel_tag: true, inspected: inspected(true), ..ImageAttributes::default() }, Some(true), &[ClassificationReason::RhelTag, ClassificationReason::InspectedRhel])]
#[case::openshift_tag_alone(ImageAttributes { openshift_tag: true, ..ImageAttributes::default() }, None, &[])]
#[case::cloud_access(named("RHEL-9.4_HVM-x86_64-2-Access2-GP3", RED_HAT), Some(true), &[ClassificationReason::CloudAccess])]
#[case::cloud_access_in_china(named("rhel-9.4-ACCESS2", "841258680906"), Some(true), &[ClassificationReason::CloudAccess])]
#[case::cloud_access_in_name_only(named("my-Access2", "210987654321"), None, &[])]
#[case::hourly(named("RHEL-9.4_HVM-x86_64-2-Hourly2-GP3", RED_HAT), Some(false), &[ClassificationReason::Marketplace])]
#[case::hourly_in_name_only(named("my-hourly2", "210987654321"), None, &[])]
#[case::marketplace_wins_over_inspection(ImageAttributes { marketplace: true, inspected: inspected(true), ..ImageAttributes::default() }, Some(false), &[ClassificationReason::Marketplace])]
#[case::tag_wins_over_marketplace(ImageAttributes { marketplace: true, rhel_tag: true, ..ImageAttributes::default() }, Some(true), &[ClassificationReason::RhelTag])]
#[case::windows(ImageAttributes { platform: Some("windows".into()), ..ImageAttributes::default() }, Some(false), &[ClassificationReason::Windows])]
#[case::no_platform(ImageAttributes { platform: Some("none".into()), ..ImageAttributes::default() }, None, &[])]
#[case::tag_wins_over_windows(ImageAttributes { platform: Some("windows".into()), rhel_tag: true, ..ImageAttributes::default() }, Some(true), &[ClassificationReason::RhelTag])]
fn classifications(
    #[case] image: ImageAttributes,
    #[case] expected: Option<bool>,
    #[case] reasons: &[ClassificationReason],
) {
    let classification = classify(&image);
    assert_eq!(
        classification,
        Classification {
            rhel: expected,
            reasons: reasons.to_vec()
        }
    );
    assert_eq!(classification.counts(), expected == Some(true));
}

#[test]
fn syspurpose_is_read() {
    let content = json!({
        "role": "Red Hat Enterprise Linux Server", "service_level_agreement": "Premium",
        "usage": "Production", "service_type": "L1-L3", "addons": ["x"],
    });
    let expected = Syspurpose {
        role: "Red Hat Enterprise Linux Server".into(),
        sla: "Premium".into(),
        usage: "Production".into(),
        service_type: "L1-L3".into(),
    };
    assert_eq!(Syspurpose::from_json(&content), expected);
}

#[rstest]
#[case::null(Value::Null)]
#[case::list(json!(["role"]))]
#[case::text(json!("role"))]
#[case::empty(json!({}))]
#[case::null_values(json!({"role": null, "usage": 7, "service_level_agreement": {}, "service_type": []}))]
fn syspurpose_that_states_nothing_is_empty(#[case] content: Value) {
    assert_eq!(Syspurpose::from_json(&content), Syspurpose::default());
}

#[test]
fn words_of_a_syspurpose_that_are_not_known_are_counted() {
    let content = json!({"role": "server", "usage": "PRODUCTION", "service_level_agreement": "", "service_type": "x".repeat(9_999)});
    let expected = Syspurpose {
        usage: "Production".into(),
        ..Syspurpose::default()
    };
    assert_eq!(Syspurpose::from_json(&content), expected);
    assert_eq!(Syspurpose::unknown_words(&content), 2);
}

proptest! {
    #[test]
    fn uses_known_words_only(words in proptest::collection::vec(".{0,40}|premium|L3|production", 4)) {
        let keys = ["role", "service_level_agreement", "usage", "service_type"];
        let content: Value = keys.into_iter().zip(words).map(|(key, word)| (key.to_owned(), word.into())).collect::<serde_json::Map<_, _>>().into();
        let Syspurpose { role, sla, usage, service_type } = Syspurpose::from_json(&content);
        let dimensions = [Dimension::Role, Dimension::Sla, Dimension::Usage, Dimension::ServiceType];
        for (word, dimension) in [role, sla, usage, service_type].iter().zip(dimensions) {
            prop_assert!(word.is_empty() || dimension.words().contains(&&**word), "{}", word);
        }
    }
}
