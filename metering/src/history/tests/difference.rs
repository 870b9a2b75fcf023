use rstest::rstest;

use super::super::{difference, runs};
use super::{minutes, observations};

#[rstest]
#[case::same("on 1; off 5", "on 1; off 5", "")]
#[case::both_without_end("on 1", "on 1", "")]
#[case::new("", "on 1; off 5", "1-5")]
#[case::closed("on 1", "on 1; off 5", "5-")]
#[case::cut_in_two("on 1; off 19", "on 1; off 3; on 8; off 19", "3-8")]
#[case::moved("on 1; off 3", "on 3; off 5", "1-5")]
#[case::another_type("on 1 a; off 9", "on 1 a; change 4 b; off 9", "")]
#[case::other_vcpus("on 1 a; off 9", "on 1 a; change 4 2vcpus; off 9", "")]
#[case::another_disk("on 1 ami-1; off 9", "on 1 ami-1; change 4 ami-2; off 9", "4-9")]
#[case::another_billing("on 1; look 2: payg", "on 1; look 2: payg; look 9: byos @6", "6-")]
#[case::another_declaration("on 1; off 9", "on 1; change 4 sla=Premium; off 9", "4-9")]
#[case::only_less_certain("on 0; on 70; off 90", "on 0; off 90", "")]
#[case::two_spans(
    "on 1; off 19",
    "on 1; off 3; on 8; off 12; on 15; off 19",
    "3-8; 12-15"
)]
fn spans(#[case] before: &str, #[case] after: &str, #[case] expected: &str) {
    let (before, after) = (runs(observations(before)), runs(observations(after)));
    for (one, other) in [(&before, &after), (&after, &before)] {
        let spans = difference(one, other).into_iter().map(|span| {
            let end = (span.end != jiff::Timestamp::MAX).then(|| minutes(span.end));
            format!("{}-{}", minutes(span.start), end.unwrap_or_default())
        });
        assert_eq!(spans.collect::<Vec<_>>().join("; "), expected);
    }
}
