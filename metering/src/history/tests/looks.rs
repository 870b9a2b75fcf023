use rstest::rstest;

use super::derived;

#[rstest]
#[case::exact_off_after_the_looks("on 0; look 60: off >0; off 7", "0-7")]
#[case::only_the_look("on 0; look 60: off >0", "0-60>0")]
#[case::the_look_before_bounds_it("on 0; look 60: off >30", "0-60>30")]
#[case::the_start_bounds_it("on 40; look 60: off >30", "40-60>40")]
#[case::the_look_has_the_exact_time("on 0; look 60: off @41", "0-41")]
#[case::voided("on 0; look 60: off >0; look 120: on 0", "0-")]
#[case::voided_without_a_log("look 30: on 0 >0; look 60: off >30; look 120: on 0", "0-")]
#[case::a_logs_end_is_never_voided("on 0; off 30; look 120: on 120 >60", "0-30; 120-")]
#[case::nor_a_notifications("on 0; stopping 30; look 120: on 0", "0-30")]
#[case::not_voided_by_an_earlier_look("on 0; look 60: on 0; look 120: off >60", "0-120>60")]
#[case::missed_restart("on 0; look 120: on 90 >60", "0-90>60; 90-")]
#[case::missed_restart_whose_end_comes_late("on 0; look 120: on 90 >60; off 85", "0-85; 90-")]
#[case::missed_restart_whose_start_comes_late("on 0; look 120: on 90:04 >60; on 90", "0-90>0; 90-")]
#[case::launch_time_a_few_seconds_after_the_call("on 0; look 60: on 0:04", "0-")]
#[case::the_call_comes_late("look 60: on 0:04; on 0", "0-")]
#[case::found_running("look 60: on 12", "12-")]
fn power(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(derived(script), expected);
}

#[rstest]
#[case::billing_first_told("on 0; look 60: payg", "0- payg")]
#[case::converted_at_an_exact_time(
    "on 0; look 60: payg; off 140; on 160; look 180: byos @150",
    "0-140 payg; 160- byos"
)]
#[case::converted_while_it_runs(
    "on 0; look 60: payg; look 180: byos @150",
    "0-150 payg; 150- byos"
)]
#[case::a_change_that_only_a_look_tells(
    "on 0; look 60: payg; look 120: byos >60",
    "0-120>60 payg; 120- byos"
)]
#[case::bounded_by_the_start(
    "on 80; look 90: payg; look 120: byos >60",
    "80-120>80 payg; 120- byos"
)]
#[case::the_same_again("on 0; look 60: payg >0; look 120: payg >60", "0- payg")]
#[case::the_exact_change_comes_late(
    "on 0; look 60: m5.large; look 120: m5.xlarge >60; change 80 m5.xlarge",
    "0-80 m5.large; 80- m5.xlarge"
)]
#[case::changed_while_off(
    "on 0; look 30: payg; off 50; look 120: byos >60; on 130",
    "0-50 payg; 130- byos"
)]
fn attributes(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(derived(script), expected);
}
