use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::{
    DiskStep, ImageNames, Reader, ReaderStanding, RhelEvidence, RuleSet, TagEvidence, classify,
    next_step, reading_that_counts, standing, tags_that_count,
};
use crate::billing::Billing;
use crate::declared::Declaration;
use crate::image::Classification;

const RED_HAT: &str = "309956199498";

/// RhelEvidence written as words: `payg`, `byos`, `none`, `own-tag`, `owner-tag`, `declared`, `windows`, `rhel`, `other`,
/// `marketplace`, `access2`, `hourly2`.
fn evidence(words: &str) -> RhelEvidence<'static> {
    let mut evidence = RhelEvidence::default();
    let red_hats = |name| ImageNames {
        owner_id: Some(RED_HAT),
        name: Some(name),
        marketplace: false,
    };
    for word in words.split_whitespace() {
        match word {
            "payg" => evidence.billing = Billing::of_aws("RunInstances:0010", "", &[]),
            "byos" => evidence.billing = Billing::of_aws("RunInstances:00g0", "", &[]),
            "none" => evidence.billing = Billing::of_aws("RunInstances", "", &[]),
            "own-tag" => evidence.tags.own = true,
            "owner-tag" => evidence.tags.owner = true,
            "declared" => {
                evidence.declared =
                    Declaration::from_tags([("com_redhat_rhel", Some("8"))], true).0;
            }
            "windows" => evidence.windows = true,
            "rhel" => evidence.reading = Some(true),
            "other" => evidence.reading = Some(false),
            "marketplace" => evidence.names.marketplace = true,
            "access2" => evidence.names = red_hats("RHEL-9.4-Access2"),
            "hourly2" => evidence.names = red_hats("RHEL-9.4-Hourly2"),
            other => panic!("unknown word {other}"),
        }
    }
    evidence
}

/// `yes`, `no` or `unknown`, and the reasons.
fn written(classification: &Classification) -> String {
    let rhel = match classification.rhel {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let reasons: Vec<_> = classification
        .reasons
        .iter()
        .map(|reason| format!("{reason:?}"))
        .collect();
    format!("{rhel} {}", reasons.join(" "))
        .trim_end()
        .to_owned()
}

#[rstest]
#[case::nothing_known("", "unknown")]
#[case::paid_through_the_cloud("payg", "no PaidThroughCloud")]
#[case::a_tag_undoes_no_invoice("payg own-tag declared rhel", "no PaidThroughCloud")]
#[case::brought_along("byos", "yes SubscriptionBrought")]
#[case::brought_along_and_read("byos rhel", "yes SubscriptionBrought InspectedRhel")]
#[case::brought_along_whatever_the_disk("byos other", "yes SubscriptionBrought")]
#[case::the_disk_decides("none rhel", "yes InspectedRhel")]
#[case::the_disk_decides_no("none other", "no InspectedOther")]
#[case::unknown_billing("rhel", "yes InspectedRhel")]
#[case::not_read_yet("none", "unknown")]
#[case::tagged("none own-tag", "yes RhelTag")]
#[case::tagged_whatever_the_disk("none own-tag other", "yes RhelTag")]
#[case::tagged_by_its_owner("none owner-tag", "yes OwnerRhelTag")]
#[case::its_owner_runs_it("own-tag owner-tag", "yes RhelTag")]
#[case::declared("none declared rhel", "yes Declared InspectedRhel")]
#[case::windows("none windows", "no Windows")]
#[case::windows_with_rhel_on_the_disk("none windows rhel", "no Windows")]
#[case::windows_tagged("none windows own-tag", "yes RhelTag")]
#[case::converted_centos_of_the_marketplace("none marketplace rhel", "yes InspectedRhel")]
#[case::appliance_on_paid_rhel("payg marketplace rhel", "no PaidThroughCloud")]
#[case::appliance_on_brought_rhel("byos marketplace", "yes SubscriptionBrought")]
#[case::a_copied_hourly_image("none hourly2 rhel", "yes InspectedRhel")]
fn current(#[case] words: &str, #[case] expected: &str) {
    assert_eq!(
        written(&classify(&evidence(words), RuleSet::Current)),
        expected
    );
}

/// [`crate::image`] has the table; these are the cases in which the two sets differ.
#[rstest]
#[case::converted_centos_of_the_marketplace("none marketplace rhel", "no Marketplace")]
#[case::paid_through_the_cloud_and_tagged("payg own-tag", "yes RhelTag")]
#[case::billing_is_not_looked_at("byos", "unknown")]
#[case::cloud_access("access2", "yes CloudAccess")]
#[case::a_tag_wins_over_the_marketplace("marketplace owner-tag", "yes RhelTag")]
#[case::hourly("hourly2 rhel", "no Marketplace")]
#[case::declarations_are_not_looked_at("declared", "unknown")]
fn original(#[case] words: &str, #[case] expected: &str) {
    assert_eq!(
        written(&classify(&evidence(words), RuleSet::Original)),
        expected
    );
}

/// Every combination: the table again, written as a chain of conditions.
#[test]
fn every_combination_follows_the_table() {
    let mut combinations = 0;
    for class in ["", "none", "byos", "payg"] {
        for reading in ["", "other", "rhel"] {
            for bits in 0..16 {
                let flags = ["own-tag", "owner-tag", "declared", "windows"];
                let set: Vec<_> = (0..4)
                    .filter(|bit| bits >> bit & 1 == 1)
                    .map(|bit| flags[bit])
                    .collect();
                let words = format!("{class} {reading} {}", set.join(" "));
                let rhel = classify(&evidence(&words), RuleSet::Current).rhel;
                let expected = if class == "payg" {
                    Some(false)
                } else if class == "byos" || bits & 7 != 0 {
                    Some(true)
                } else if bits & 8 != 0 {
                    Some(false)
                } else {
                    [None, Some(false), Some(true)][["", "other", "rhel"]
                        .iter()
                        .position(|word| *word == reading)
                        .expect("a reading")]
                };
                assert_eq!(rhel, expected, "{words}");
                combinations += 1;
            }
        }
    }
    assert_eq!(combinations, 192);
}

#[rstest]
#[case::platform(true, "111111111111", None, Some(ReaderStanding::Platform))]
#[case::owner(false, "999999999999", Some(2), Some(ReaderStanding::Owner))]
#[case::same_organization(false, "111111111111", Some(1), Some(ReaderStanding::SameOrganization))]
#[case::another_organization(false, "111111111111", Some(2), None)]
#[case::not_metered(false, "111111111111", None, None)]
fn standings(
    #[case] platform: bool,
    #[case] account: &str,
    #[case] organization: Option<i32>,
    #[case] expected: Option<ReaderStanding>,
) {
    let reader = Reader {
        account,
        platform,
        organization,
    };
    assert_eq!(standing(reader, Some("999999999999"), 1), expected);
    if !platform {
        let unowned = standing(reader, None, 1);
        assert_ne!(unowned, Some(ReaderStanding::Owner), "nobody owns it");
    }
}

#[test]
fn the_newest_reading_of_the_most_believed_counts() {
    let at = |hour| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
    let readings = [
        ("newest", ReaderStanding::SameOrganization, at(9)),
        ("old", ReaderStanding::Owner, at(1)),
        ("owner's", ReaderStanding::Owner, at(2)),
    ];
    assert_eq!(reading_that_counts(readings), Some("owner's"));
    assert_eq!(reading_that_counts::<&str>([]), None);
}

#[rstest]
#[case::own(&["1"], TagEvidence { own: true, owner: false })]
#[case::owners(&["9"], TagEvidence { own: false, owner: true })]
#[case::both(&["9", "1"], TagEvidence { own: true, owner: true })]
#[case::a_strangers(&["2"], TagEvidence::default())]
#[case::nobodys(&[], TagEvidence::default())]
fn tags_count_for_their_account_and_the_owners_for_all(
    #[case] set_by: &[&str],
    #[case] expected: TagEvidence,
) {
    assert_eq!(
        tags_that_count(set_by.iter().copied(), "1", Some("9")),
        expected
    );
}

#[rstest]
#[case::new(false, 0, "none", DiskStep::Describe)]
#[case::tried_often(false, 6, "none", DiskStep::Describe)]
#[case::never_described(false, 7, "none", DiskStep::Unavailable)]
#[case::never_described_but_tagged(false, 7, "own-tag", DiskStep::Settled)]
#[case::described(true, 1, "none", DiskStep::Read)]
#[case::billing_decides(true, 1, "payg", DiskStep::Settled)]
#[case::read(true, 1, "none other", DiskStep::Settled)]
fn steps(
    #[case] described: bool,
    #[case] attempts: u16,
    #[case] words: &str,
    #[case] expected: DiskStep,
) {
    let classification = classify(&evidence(words), RuleSet::Current);
    assert_eq!(next_step(described, attempts, &classification), expected);
}
