use rstest::rstest;

use super::derived;

#[rstest]
#[case::launch("on 1 a; off 5", "1-5 a")]
#[case::start_keeps_the_last("on 1 a; off 5; on 10; off 14", "1-5 a; 10-14 a")]
#[case::changed_while_off("on 1 a; off 5; change 6 b; on 7", "1-5 a; 7- b")]
#[case::changed_as_it_starts("on 1 a; off 5; change 7 b; on 7", "1-5 a; 7- b")]
#[case::changed_as_it_stops("on 1 a; change 5 b; off 5; on 6", "1-5 a; 6- b")]
#[case::changed_before_anything("change 1 b; on 2", "2- b")]
#[case::changed_while_running("on 1 a; change 3 b; off 5", "1-3 a; 3-5 b")]
#[case::changed_to_the_same("on 1 a; change 3 a; off 5", "1-5 a")]
#[case::changed_and_back("on 1 a; change 3 b; change 4 a; off 5", "1-3 a; 3-4 b; 4-5 a")]
#[case::changed_and_back_at_once("on 1 a; change 3 b; change 3 a; off 5", "1-5 a")]
#[case::changed_from_unknown("on 1; change 3 b; off 5", "1-3; 3-5 b")]
#[case::first_known_at_a_start_in_mid_run("on 0; on 1 m5.large", "0- m5.large")]
#[case::first_known_at_a_later_start("on 0; off 5; on 10 m5.large", "0-5 m5.large; 10- m5.large")]
#[case::former_unknown("on 0; off 5; change 6 m5.xlarge; on 7", "0-5; 7- m5.xlarge")]
#[case::vcpus(
    "on 0 m5.large; off 5; change 6 1vcpus; on 7",
    "0-5 m5.large; 7- m5.large 1vcpus"
)]
#[case::root_replaced("on 0 ami-1; change 30 ami-2", "0-30 ami-1; 30- ami-2")]
#[case::several_at_once("on 0 a ami-1; change 3 b ami-2; off 5", "0-3 a ami-1; 3-5 b ami-2")]
fn changes(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(derived(script), expected);
}

#[rstest]
#[case::one_after_the_other(
    "on 0; change 5 sla=Premium; change 9 usage=Production",
    "0-5; 5-9 sla=Premium; 9- sla=Premium usage=Production"
)]
#[case::taken_off("on 0 sla=Premium; change 5 sla=", "0-5 sla=Premium; 5-")]
#[case::taken_off_that_was_not_there("on 0; change 5 sla=", "0-")]
#[case::each_word_holds_backwards_by_itself(
    "on 0; change 5 sla=Premium; look 9: usage=Production",
    "0-5 usage=Production; 5- sla=Premium usage=Production"
)]
fn declarations(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(derived(script), expected);
}
