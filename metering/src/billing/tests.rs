use rstest::rstest;

use super::Billing;

const RED_HAT: &str = "309956199498";

fn written(billing: Billing) -> String {
    billing.to_string()
}

#[rstest]
#[case::not_told("", "unknown")]
#[case::linux("RunInstances", "none")]
#[case::gold_image("RunInstances:00g0", "byos")]
#[case::rhel("RunInstances:0010", "payg")]
#[case::rhel_ha("RunInstances:1010", "payg ha")]
#[case::rhel_sql_web("RunInstances:0210", "payg sql")]
#[case::rhel_sql_standard("RunInstances:0014", "payg sql")]
#[case::rhel_sql_enterprise("RunInstances:0110", "payg sql")]
#[case::rhel_ha_sql_standard("RunInstances:1014", "payg ha_sql")]
#[case::rhel_ha_sql_enterprise("RunInstances:1110", "payg ha_sql")]
#[case::suse("RunInstances:000g", "none")]
#[case::ubuntu_pro("RunInstances:0g00", "none")]
#[case::windows("RunInstances:0002", "none")]
#[case::windows_brought("RunInstances:0800", "none")]
#[case::linux_with_sql("RunInstances:0004", "none")]
#[case::spot_on_a_bill("RunInstances:0010:SV006", "payg")]
#[case::a_sql_to_come("RunInstances:0310", "payg sql")]
#[case::brought_with_ha("RunInstances:10g0", "byos ha")]
#[case::unknown_sign("RunInstances:00x0", "unknown")]
#[case::too_short("RunInstances:001", "unknown")]
#[case::too_long("RunInstances:00100", "unknown")]
#[case::no_signs("RunInstances:", "unknown")]
#[case::not_a_sign("RunInstances:00 1", "unknown")]
#[case::other_text("x", "unknown")]
#[case::other_operation("CreateVolume", "unknown")]
#[case::other_operation_with_signs("CreateVolume:0010", "unknown")]
#[case::begins_alike("RunInstancesX:0010", "unknown")]
fn usage_operations_are_read_by_position(#[case] operation: &str, #[case] expected: &str) {
    assert_eq!(written(Billing::of_aws(operation, "", &[])), expected);
}

#[rstest]
#[case::rhel_for_aws("RunInstances", "6cd5fxzrad0cu2j23p692xytz", "payg")]
#[case::rhel_for_aws_emea("RunInstances", "6t1yup6mik9ng3ge36n33xqhw", "payg")]
#[case::rhel_for_aws_as_brought("RunInstances:00g0", "6cd5fxzrad0cu2j23p692xytz", "payg")]
#[case::rhel_for_aws_with_ha("RunInstances:10g0", "6cd5fxzrad0cu2j23p692xytz", "payg ha")]
#[case::rhel_for_aws_untold("", "6cd5fxzrad0cu2j23p692xytz", "payg")]
#[case::sap("RunInstances", "du6111oq9lwrc996awt04qyql", "payg sap")]
#[case::sap_emea("RunInstances", "952qwcsxkm430zxhpy32i7w8g", "payg sap")]
#[case::centos_of_the_marketplace("RunInstances", "aw0evgkw8e5c1q413zgy5pjce", "none")]
#[case::appliance_on_rhel("RunInstances:0010", "3h0b2vc0z1t7k5d0vendor000", "payg")]
#[case::appliance_on_brought_rhel("RunInstances:00g0", "3h0b2vc0z1t7k5d0vendor000", "byos")]
#[case::appliance_untold("", "3h0b2vc0z1t7k5d0vendor000", "unknown")]
fn only_red_hats_product_codes_say_who_is_paid(
    #[case] operation: &str,
    #[case] code: &str,
    #[case] expected: &str,
) {
    let billing = Billing::of_aws(operation, "", &[code.to_owned()]);
    assert_eq!(written(billing), expected);
}

#[rstest]
#[case::rhel("Red Hat Enterprise Linux", "payg")]
#[case::ha("Red Hat Enterprise Linux with HA", "payg ha")]
#[case::sql("Red Hat Enterprise Linux with SQL Server Standard", "payg sql")]
#[case::both(
    "Red Hat Enterprise Linux with SQL Server Enterprise and HA",
    "payg ha_sql"
)]
#[case::brought("Red Hat BYOL Linux", "byos")]
#[case::linux("Linux/UNIX", "none")]
#[case::suse("SUSE Linux", "none")]
#[case::ubuntu("Ubuntu Pro", "none")]
#[case::windows("Windows BYOL", "none")]
#[case::sql_alone("SQL Server Web", "none")]
#[case::a_system_to_come("Red Star OS", "unknown")]
#[case::empty("", "unknown")]
fn platform_details_stand_in_for_an_operation_that_is_not_told(
    #[case] details: &str,
    #[case] expected: &str,
) {
    assert_eq!(written(Billing::of_aws("", details, &[])), expected);
    assert_eq!(
        written(Billing::of_aws("RunInstances", details, &[])),
        "none"
    );
}

#[rstest]
#[case::access(Some(RED_HAT), "RHEL-9.4_HVM-x86_64-2-Access2-GP3", "byos")]
#[case::hourly(Some(RED_HAT), "RHEL-9.4_HVM-x86_64-2-Hourly2-GP3", "payg")]
#[case::in_china(Some("841258680906"), "rhel-9.4-ACCESS2", "byos")]
#[case::other_name(Some(RED_HAT), "fedora", "unknown")]
#[case::in_name_only(Some("210987654321"), "my-Access2", "unknown")]
#[case::hourly_in_name_only(Some("210987654321"), "my-hourly2", "unknown")]
#[case::nobodys(None, "RHEL-9.4-Hourly2", "unknown")]
fn names_tell_of_red_hats_images_only(
    #[case] owner: Option<&str>,
    #[case] name: &str,
    #[case] expected: &str,
) {
    assert_eq!(written(Billing::of_image_name(owner, Some(name))), expected);
}

#[test]
fn the_first_source_that_tells_counts() {
    let [unknown, none, payg] = ["", "RunInstances", "RunInstances:0010"]
        .map(|operation| Billing::of_aws(operation, "", &[]));
    assert_eq!(Billing::first_told([unknown, none, payg]), none);
    assert_eq!(Billing::first_told([unknown, unknown, payg]), payg);
    assert_eq!(Billing::first_told([]), unknown);
}
