//! Tenants can't change each other's numbers: whatever an account does, the runs of other organizations count as before.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use metering::billing::Billing;
use metering::image::Classification;
use metering::rules::{
    Reader, RhelEvidence, RuleSet, classify, reading_that_counts, standing, tags_that_count,
};
use proptest::prelude::*;

const ACCOUNTS: [&str; 4] = [
    "100000000000",
    "200000000000",
    "300000000000",
    "400000000000",
];
/// The last owner is nobody that is metered.
const OWNERS: [&str; 5] = [
    ACCOUNTS[0],
    ACCOUNTS[1],
    ACCOUNTS[2],
    ACCOUNTS[3],
    "500000000000",
];

const fn organization(account: usize) -> i32 {
    account as i32 / 2
}

/// Every image has an owner of its own, and every account runs all of them.
#[derive(Clone, Debug, Default)]
struct World {
    tags: BTreeMap<(usize, usize), bool>,
    readings: BTreeMap<(usize, usize), (bool, Timestamp)>,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Tag,
    Untag,
    /// By a round or by hand; the result is the disk's, or a lie.
    Read(bool),
    Fail,
}

impl World {
    fn act(&mut self, account: usize, image: usize, action: Action, at: Timestamp) {
        let key = (account, image);
        match action {
            Action::Tag => drop(self.tags.insert(key, true)),
            Action::Untag => drop(self.tags.insert(key, false)),
            Action::Read(rhel) => drop(self.readings.insert(key, (rhel, at))),
            // Facts outlive a later failure.
            Action::Fail => {}
        }
    }

    fn classification(&self, account: usize, image: usize) -> Classification {
        let owner = Some(OWNERS[image]);
        let set_by =
            (0..ACCOUNTS.len()).filter(|setter| self.tags.get(&(*setter, image)) == Some(&true));
        let readings = self
            .readings
            .iter()
            .filter(|((_, of), _)| *of == image)
            .filter_map(|((reader, _), (rhel, at))| {
                let reader = Reader {
                    account: ACCOUNTS[*reader],
                    platform: false,
                    organization: Some(organization(*reader)),
                };
                Some((*rhel, standing(reader, owner, organization(account))?, *at))
            });
        let evidence = RhelEvidence {
            tags: tags_that_count(
                set_by.map(|setter| ACCOUNTS[setter]),
                ACCOUNTS[account],
                owner,
            ),
            billing: Billing::of_aws("RunInstances", "", &[]),
            reading: reading_that_counts(readings),
            ..RhelEvidence::default()
        };
        classify(&evidence, RuleSet::Current)
    }
}

fn actions() -> impl Strategy<Value = Vec<(usize, usize, Action)>> {
    let action = prop_oneof![
        Just(Action::Tag),
        Just(Action::Untag),
        any::<bool>().prop_map(Action::Read),
        Just(Action::Fail),
    ];
    proptest::collection::vec((0..ACCOUNTS.len(), 0..OWNERS.len(), action), 1..40)
}

fn at(step: usize) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(step as i64)
}

proptest! {
    #[test]
    fn no_account_changes_anothers_usage(actions in actions()) {
        let mut world = World::default();
        for (step, (actor, image, action)) in actions.into_iter().enumerate() {
            let before = world.clone();
            world.act(actor, image, action, at(step));
            for account in 0..ACCOUNTS.len() {
                for other in 0..OWNERS.len() {
                    let may_change = other == image
                        && (organization(account) == organization(actor) || image == actor);
                    if !may_change {
                        prop_assert_eq!(
                            before.classification(account, other), world.classification(account, other),
                            "{:?} by {} on {}", action, actor, image
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_owners_word_counts_for_all(actions in actions(), image in 0..ACCOUNTS.len(), rhel: bool) {
        let mut world = World::default();
        for (step, (actor, of, action)) in actions.iter().enumerate() {
            world.act(*actor, *of, *action, at(step));
        }
        for account in 0..ACCOUNTS.len() {
            world.act(account, image, Action::Untag, at(100));
        }
        world.act(image, image, Action::Read(rhel), at(100));
        for account in 0..ACCOUNTS.len() {
            prop_assert_eq!(world.classification(account, image).rhel, Some(rhel));
        }
        world.act(image, image, Action::Tag, at(101));
        for account in 0..ACCOUNTS.len() {
            prop_assert_eq!(world.classification(account, image).rhel, Some(true));
        }
    }
}

#[test]
fn an_own_untag_leaves_the_owners_tag() {
    let mut world = World::default();
    for account in [0, 2] {
        world.act(account, 0, Action::Tag, at(0));
    }
    world.act(2, 0, Action::Untag, at(1));
    assert!(world.classification(2, 0).counts());
    world.act(0, 0, Action::Untag, at(2));
    assert!(!world.classification(2, 0).counts());
}
