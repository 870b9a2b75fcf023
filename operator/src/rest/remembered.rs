//! The days that were asked for lately: who asks for them again need not wait until Postgres has sent them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::ToSpan;
use jiff::civil::Date;

use cloudigrade_store::organizations::Organization;
use cloudigrade_store::usage_days::DayCounts;

/// Most bytes of all days together. Whatever is beyond makes room for itself by having all others forgotten.
const LIMIT: usize = 32 << 20;

/// Days that are over, each as long as nothing has changed that its organization's usage is derived from.
#[derive(Clone, Debug, Default)]
pub struct Remembered(Arc<Mutex<Days>>);

#[derive(Debug, Default)]
struct Days {
    bytes: usize,
    of_organizations: HashMap<String, OfOrganization>,
}

#[derive(Debug, Default)]
struct OfOrganization {
    version: String,
    days: BTreeMap<Date, DayCounts>,
}

impl OfOrganization {
    fn bytes(&self) -> usize {
        self.days.values().map(DayCounts::bytes).sum()
    }
}

impl Remembered {
    /// The days from `first` to `last`, if all of them are here and still as they were.
    pub(super) fn days(
        &self,
        organization: &Organization,
        first: Date,
        last: Date,
    ) -> Option<Vec<(Date, DayCounts)>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.of_organizations.get(&organization.org_id)?;
        let days = first.series(1.day()).take_while(|day| *day <= last);
        (known.version == organization.version)
            .then(|| days.map(|day| Some((day, known.days.get(&day)?.clone()))))?
            .collect()
    }

    /// Remembers days that are over. They must have been read after `organization` was.
    pub(super) fn remember(&self, organization: &Organization, days: &[(Date, DayCounts)]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = all
            .of_organizations
            .remove(&organization.org_id)
            .unwrap_or_default();
        all.bytes -= known.bytes();
        if known.version != organization.version {
            known = OfOrganization {
                version: organization.version.clone(),
                days: BTreeMap::new(),
            };
        }
        known.days.extend(days.iter().cloned());
        let bytes = known.bytes();
        if all.bytes + bytes > LIMIT {
            *all = Days::default();
        }
        if bytes <= LIMIT {
            all.bytes += bytes;
            all.of_organizations
                .insert(organization.org_id.clone(), known);
        }
    }
}

#[cfg(test)]
mod tests {
    use metering::usage::Count;

    use super::*;

    fn organization(org_id: &str, version: &str) -> Organization {
        Organization {
            org_id: org_id.into(),
            since: day(1),
            version: version.into(),
        }
    }

    fn day(day: i8) -> Date {
        jiff::civil::date(2026, 11, day)
    }

    fn counts(bytes: usize) -> DayCounts {
        let count = Count {
            arch: "x".repeat(bytes),
            role: String::new(),
            sla: String::new(),
            usage: String::new(),
            service_type: String::new(),
            instances_count: 1,
        };
        DayCounts::of(&[count]).unwrap()
    }

    fn days(remembered: &Remembered, of: &Organization, last: i8) -> Option<Vec<Date>> {
        let days = remembered.days(of, day(1), day(last))?;
        Some(days.into_iter().map(|(day, _)| day).collect())
    }

    #[test]
    fn days_are_there_until_something_changes() {
        let remembered = Remembered::default();
        let acme = organization("acme", "1");
        assert_eq!(days(&remembered, &acme, 2), None);
        remembered.remember(&acme, &[(day(1), counts(1)), (day(2), counts(1))]);
        assert_eq!(days(&remembered, &acme, 2), Some(vec![day(1), day(2)]));
        assert_eq!(days(&remembered, &acme, 3), None, "one is missing");
        assert_eq!(days(&remembered, &organization("globex", "1"), 2), None);
        remembered.remember(&acme, &[(day(3), counts(1))]);
        assert_eq!(days(&remembered, &acme, 3).unwrap().len(), 3);

        let changed = organization("acme", "2");
        assert_eq!(days(&remembered, &changed, 2), None);
        remembered.remember(&changed, &[(day(1), counts(1))]);
        assert_eq!(days(&remembered, &changed, 1), Some(vec![day(1)]));
        assert_eq!(days(&remembered, &changed, 2), None, "it is of before");
        assert_eq!(days(&remembered, &acme, 1), None);
    }

    #[test]
    fn what_is_too_much_is_forgotten() {
        let remembered = Remembered::default();
        let (acme, globex) = (organization("acme", "1"), organization("globex", "1"));
        for n in 1..20 {
            remembered.remember(&acme, &[(day(n), counts(1 << 20))]);
        }
        assert!(days(&remembered, &acme, 19).is_some());
        for n in 1..20 {
            remembered.remember(&globex, &[(day(n), counts(1 << 20))]);
        }
        assert!(days(&remembered, &globex, 19).is_some());
        assert!(days(&remembered, &acme, 1).is_none(), "both are too much");
        remembered.remember(&acme, &[(day(1), counts(LIMIT))]);
        assert!(days(&remembered, &acme, 1).is_none(), "no room for it");
    }
}
