//! Actions in a customer's account, by purpose. Sessions are limited to those of their purpose; docs/permissions.md says why each is needed.

/// Describing what runs.
pub(crate) const INVENTORY: [&str; 3] = [
    "ec2:DescribeRegions",
    "ec2:DescribeInstances",
    "ec2:DescribeImages",
];

/// Looking after the trail.
pub(crate) const TRAIL: [&str; 8] = [
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:CreateTrail",
    "cloudtrail:UpdateTrail",
    "cloudtrail:PutEventSelectors",
    "cloudtrail:StartLogging",
    "cloudtrail:DeleteTrail",
];

/// Describing one image.
pub(crate) const IMAGE: [&str; 1] = ["ec2:DescribeImages"];

/// Reading the blocks of one snapshot.
pub(crate) const SNAPSHOT_BLOCKS: [&str; 2] = ["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"];

/// Every action that a customer's role must allow, sorted.
pub fn customer_actions() -> Vec<&'static str> {
    let mut actions = [&INVENTORY[..], &TRAIL, &IMAGE, &SNAPSHOT_BLOCKS].concat();
    actions.sort_unstable();
    actions.dedup();
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_customers_are_told_is_complete_and_no_wider() {
        assert_eq!(
            customer_actions(),
            [
                "cloudtrail:CreateTrail",
                "cloudtrail:DeleteTrail",
                "cloudtrail:DescribeTrails",
                "cloudtrail:GetEventSelectors",
                "cloudtrail:GetTrailStatus",
                "cloudtrail:PutEventSelectors",
                "cloudtrail:StartLogging",
                "cloudtrail:UpdateTrail",
                "ebs:GetSnapshotBlock",
                "ebs:ListSnapshotBlocks",
                "ec2:DescribeImages",
                "ec2:DescribeInstances",
                "ec2:DescribeRegions",
            ]
        );
    }
}
