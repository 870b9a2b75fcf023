use proptest::prelude::*;
use rstest::rstest;

use super::{Declaration, OTHER_VERSION, Told};
use crate::dimension::Dimension;

fn changes(tags: &[(&str, Option<&str>)]) -> Declaration {
    Declaration::from_tags(tags.iter().copied(), false).0
}

/// Version, variant, usage, SLA and add-on as they are stored.
fn stored(declaration: Declaration) -> [&'static str; 5] {
    let Declaration {
        version,
        variant,
        usage,
        sla,
        addon,
    } = declaration;
    [version, variant, usage, sla, addon].map(Told::stored)
}

#[rstest]
#[case::version(&[("com_redhat_rhel", Some("8.6"))], ["8", "*", "*", "*", "*"])]
#[case::unknown_version_is_rhel(&[("com_redhat_rhel", Some("yes"))], [OTHER_VERSION, "*", "*", "*", "*"])]
#[case::empty_version_is_rhel(&[("com_redhat_rhel", Some(""))], [OTHER_VERSION, "*", "*", "*", "*"])]
#[case::taken_off(&[("com_redhat_rhel", None), ("com_redhat_rhel_sla", None)], ["", "*", "*", "", "*"])]
#[case::all(
    &[("com_redhat_rhel", Some("7")), ("com_redhat_rhel_variant", Some("SAP")), ("com_redhat_rhel_usage", Some("production")),
      ("com_redhat_rhel_sla", Some("premium")), ("com_redhat_rhel_addon", Some("ELS"))],
    ["7", "sap", "Production", "Premium", "els"],
)]
#[case::nothing_known(&[("com_redhat_rhel_sla", Some("Gold"))], ["*", "*", "*", "", "*"])]
#[case::other_tags(&[("Name", Some("web")), ("com_redhat_rhel_color", Some("red")), ("Com_Redhat_RHEL", Some("8"))], ["*"; 5])]
fn tags_are_read(#[case] tags: &[(&str, Option<&str>)], #[case] expected: [&str; 5]) {
    assert_eq!(stored(changes(tags)), expected);
}

#[test]
fn a_look_tells_of_every_tag() {
    let (declaration, unknown) = Declaration::from_tags([("com_redhat_rhel", Some("9"))], true);
    assert_eq!(stored(declaration), ["9", "", "", "", ""]);
    assert_eq!(unknown, 0);
}

#[test]
fn words_that_are_not_known_are_counted() {
    let tags = [
        ("com_redhat_rhel", Some("yes")),
        ("com_redhat_rhel_sla", Some("Gold")),
        ("com_redhat_rhel_usage", Some("Production")),
        ("com_redhat_rhel_addon", Some("")),
        ("Name", Some("anything")),
    ];
    assert_eq!(Declaration::from_tags(tags, false).1, 2);
}

#[test]
fn a_change_leaves_what_it_does_not_tell() {
    let before = changes(&[
        ("com_redhat_rhel", Some("8")),
        ("com_redhat_rhel_sla", Some("Premium")),
    ]);
    let change = changes(&[
        ("com_redhat_rhel_sla", None),
        ("com_redhat_rhel_usage", Some("Production")),
    ]);
    let after = before.merge(change);
    assert_eq!(stored(after), ["8", "*", "Production", "", "*"]);
    assert!(after.names_rhel() && !change.names_rhel());
    assert!(Declaration::default().tells_nothing() && !Declaration::NOTHING.tells_nothing());
}

#[rstest]
#[case(Dimension::Sla, "*", Told::Not)]
#[case(Dimension::Sla, "", Told::Absent)]
#[case(Dimension::Sla, "Premium", Told::Word("Premium"))]
#[case(Dimension::Sla, "other", Told::Absent)]
#[case(Dimension::Version, "other", Told::Word(OTHER_VERSION))]
#[case(Dimension::Version, "8", Told::Word("8"))]
fn the_stored_form_is_read_again(
    #[case] dimension: Dimension,
    #[case] text: &str,
    #[case] expected: Told,
) {
    assert_eq!(Told::of_stored(dimension, text), expected);
}

proptest! {
    #[test]
    fn tags_use_known_words_only(values in proptest::collection::vec(".{0,20}|premium|8\\.[0-9]|ELS|sap", 5), whole: bool) {
        let keys = ["", "_variant", "_usage", "_sla", "_addon"].map(|end| format!("com_redhat_rhel{end}"));
        let tags = keys.iter().zip(&values).map(|(key, value)| (&**key, Some(&**value)));
        let (declaration, _) = Declaration::from_tags(tags, whole);
        let dimensions = [Dimension::Version, Dimension::Variant, Dimension::Usage, Dimension::Sla, Dimension::Addon];
        for (text, dimension) in stored(declaration).into_iter().zip(dimensions) {
            let known = dimension.words().contains(&text) || text.is_empty();
            prop_assert!(known || text == OTHER_VERSION && dimension == Dimension::Version, "{}", text);
        }
    }
}
