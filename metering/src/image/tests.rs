use rstest::rstest;
use serde_json::{Value, json};

use super::{Facts, Image, Reason, Syspurpose, Verdict, rhel};

const RED_HAT: &str = "309956199498";

fn inspected(rhel: bool) -> Option<Facts> {
    Some(Facts {
        rhel,
        syspurpose: Syspurpose::default(),
    })
}

fn named(name: &str, owner: &str) -> Image {
    Image {
        name: Some(name.into()),
        owner_id: Some(owner.into()),
        ..Image::default()
    }
}

#[rstest]
#[case::nothing_known(Image::default(), None, &[])]
#[case::inspected(Image { inspected: inspected(true), ..Image::default() }, Some(true), &[Reason::InspectedRhel])]
#[case::inspected_other(Image { inspected: inspected(false), ..Image::default() }, Some(false), &[Reason::InspectedOther])]
#[case::tagged(Image { rhel_tag: true, ..Image::default() }, Some(true), &[Reason::RhelTag])]
#[case::tag_wins_over_inspection(Image { rhel_tag: true, inspected: inspected(false), ..Image::default() }, Some(true), &[Reason::RhelTag])]
#[case::tag_and_inspection_agree(Image { rhel_tag: true, inspected: inspected(true), ..Image::default() }, Some(true), &[Reason::RhelTag, Reason::InspectedRhel])]
#[case::openshift_tag_alone(Image { openshift_tag: true, ..Image::default() }, None, &[])]
#[case::cloud_access(named("RHEL-9.4_HVM-x86_64-2-Access2-GP3", RED_HAT), Some(true), &[Reason::CloudAccess])]
#[case::cloud_access_in_china(named("rhel-9.4-ACCESS2", "841258680906"), Some(true), &[Reason::CloudAccess])]
#[case::cloud_access_in_name_only(named("my-Access2", "210987654321"), None, &[])]
#[case::hourly(named("RHEL-9.4_HVM-x86_64-2-Hourly2-GP3", RED_HAT), Some(false), &[Reason::Marketplace])]
#[case::hourly_in_name_only(named("my-hourly2", "210987654321"), None, &[])]
#[case::marketplace_wins_over_inspection(Image { marketplace: true, inspected: inspected(true), ..Image::default() }, Some(false), &[Reason::Marketplace])]
#[case::tag_wins_over_marketplace(Image { marketplace: true, rhel_tag: true, ..Image::default() }, Some(true), &[Reason::RhelTag])]
#[case::windows(Image { platform: Some("windows".into()), ..Image::default() }, Some(false), &[Reason::Windows])]
#[case::no_platform(Image { platform: Some("none".into()), ..Image::default() }, None, &[])]
#[case::tag_wins_over_windows(Image { platform: Some("windows".into()), rhel_tag: true, ..Image::default() }, Some(true), &[Reason::RhelTag])]
fn verdicts(#[case] image: Image, #[case] expected: Option<bool>, #[case] reasons: &[Reason]) {
    let verdict = rhel(&image);
    assert_eq!(
        verdict,
        Verdict {
            rhel: expected,
            reasons: reasons.to_vec()
        }
    );
    assert_eq!(verdict.counts(), expected == Some(true));
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
fn syspurpose_is_cut_by_characters() {
    let role = Syspurpose::from_json(&json!({"role": "é".repeat(100)})).role;
    assert_eq!(role, "é".repeat(64));
}
