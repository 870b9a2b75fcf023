use rstest::rstest;

use super::derived;

#[rstest]
#[case::nothing("", "")]
#[case::on_off("on 1; off 5", "1-5")]
#[case::never_off("on 1", "1-")]
#[case::a_repeated_on("on 1; on 1:20; on 2; off 5", "1-5")]
#[case::repeated_offs("on 1; off 5; off 6; off 7", "1-5")]
#[case::twice("on 1; off 5; on 10; off 14", "1-5; 10-14")]
#[case::off_first("off 1; on 2; off 3", "2-3")]
#[case::only_off("off 1", "")]
#[case::late_first("off 14; on 10; off 5; on 1", "1-5; 10-14")]
#[case::launch_and_end_in_one_second("on 1; off 1", "")]
#[case::end_and_start_in_one_second("on 1; off 5; on 5", "1-5")]
#[case::notification_without_log("running 0; stopping 9", "0-9")]
#[case::both_sources("on 0; running 0:20; off 9; stopping 9:01; stopped 9:40", "0-9")]
#[case::only_the_notification_of_an_end("on 0; stopping 9:01; stopped 9:40", "0-9:01")]
#[case::only_the_last_notification("on 0; stopped 9:40", "0-9:40")]
#[case::running_long_after_the_start("on 0; running 12; off 20", "0-20")]
#[case::a_start_means_that_an_end_was_missed("on 0; on 70; off 90", "0-70>0; 70-90")]
#[case::so_does_a_notified_start(
    "pending 0; running 1; pending 70; running 71; off 90",
    "0-70>0; 70-90"
)]
#[case::the_missed_end_comes_late("on 0; on 70; off 90; stopping 50", "0-50; 70-90")]
#[case::two_tellings_of_a_restart("on 0; on 70; pending 70:03; off 90", "0-70>0; 70-90")]
fn switches(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(derived(script), expected);
}
