//! What happens in one account: first when its instances run, then the calls that make it so.

use super::config::Config;
use super::random::Random;

/// An account as it really was.
pub(super) struct Lives {
    pub(super) images: Vec<Image>,
    pub(super) instances: Vec<Instance>,
    /// In no order.
    pub(super) calls: Vec<Call>,
}

pub(super) struct Image {
    pub(super) id: String,
    pub(super) region: usize,
    /// It carries the tag for RHEL in the end.
    pub(super) rhel: bool,
}

pub(super) struct Instance {
    pub(super) id: String,
    pub(super) image: usize,
    pub(super) runs: Vec<(i64, Option<i64>, &'static str)>,
}

/// A call of EC2's API, or an event without one.
pub(super) struct Call {
    /// Seconds since 1970.
    pub(super) at: i64,
    pub(super) event_id: String,
    pub(super) region: usize,
    pub(super) image: usize,
    /// Instances and their types at the time.
    pub(super) instances: Vec<(usize, &'static str)>,
    pub(super) what: What,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum What {
    /// `fleet`: a service asks for it. `wanted`: more than there was capacity for.
    Launch {
        fleet: bool,
        wanted: usize,
    },
    Start,
    Stop,
    /// The response is left out of the record, as for very large ones.
    StopUnanswered,
    Resize {
        by_name: bool,
    },
    Terminate,
    TerminateByService,
    ScaleIn,
    Evict,
    Tag,
    Untag,
    UntagAll,
}

const TYPES: [&str; 5] = [
    "t3.micro",
    "m5.large",
    "m5.xlarge",
    "c6g.large",
    "r6i.2xlarge",
];
/// Shortest time between two calls about an instance.
const MINUTE: i64 = 60;

impl Lives {
    pub(super) fn new(config: &Config, random: &mut Random, start: i64, end: i64) -> Self {
        let mut lives = Self {
            images: Vec::new(),
            instances: Vec::new(),
            calls: Vec::new(),
        };
        for region in 0..config.regions {
            for _ in 0..3 + config.instances as usize / 100 {
                lives.make_image(region, random, start, end);
            }
        }
        while lives.instances.len() < config.instances as usize {
            let most = config.instances as usize - lives.instances.len();
            let size = most.min(1 + random.index(4));
            lives.launch(config, random, size, start, end);
        }
        lives
    }

    fn make_image(&mut self, region: usize, random: &mut Random, start: i64, end: i64) {
        let image = self.images.len();
        let rhel = random.chance(0.6);
        self.images.push(Image {
            id: id("ami", random),
            region,
            rhel,
        });
        // Tags go on and off; the last says what counts.
        let mut changes: Vec<i64> = (0..1 + random.index(4))
            .map(|_| random.between(start, end - 1))
            .collect();
        changes.sort_unstable();
        changes.dedup();
        for (left, at) in changes.into_iter().rev().enumerate() {
            let what = match (rhel == (left % 2 == 0), random.chance(0.5)) {
                (true, _) => What::Tag,
                (false, true) => What::Untag,
                (false, false) => What::UntagAll,
            };
            self.call(at, image, Vec::new(), what, random);
        }
    }

    /// Some instances that are launched, stopped and started together.
    fn launch(&mut self, config: &Config, random: &mut Random, size: usize, start: i64, end: i64) {
        let image = random.index(self.images.len());
        let mut at = random.between(start, end - 1);
        let mut types = vec![TYPES[random.index(TYPES.len())]; size];
        let fleet = random.chance(0.3);
        if fleet {
            types.fill_with(|| TYPES[random.index(TYPES.len())]);
        }
        let first = self.instances.len();
        for _ in 0..size {
            self.instances.push(Instance {
                id: id("i", random),
                image,
                runs: Vec::new(),
            });
        }
        let group = |types: &[&'static str]| (first..).zip(types.iter().copied()).collect();
        let wanted = size
            + if random.chance(0.1) {
                random.index(5)
            } else {
                0
            };
        let launch = What::Launch { fleet, wanted };
        self.call(at, image, group(&types), launch, random);

        let share = random.below(1_001) as f64 / 1_000.0;
        let restarts = random.about(2.0 * config.restarts * share);
        let span = (end - start) / (config.restarts.ceil() as i64 + 1);
        for _ in 0..restarts {
            let stop = at + random.between(MINUTE, span.max(2 * MINUTE));
            let begin = stop + random.between(20 * MINUTE, (span / 2).max(30 * MINUTE));
            if begin >= end {
                break;
            }
            self.ran(first, &types, at, Some(stop));
            let what = if random.chance(0.05) {
                What::StopUnanswered
            } else {
                What::Stop
            };
            self.call(stop, image, group(&types), what, random);
            for (position, instance_type) in types.iter_mut().enumerate() {
                if random.chance(0.1) {
                    *instance_type = TYPES[random.index(TYPES.len())];
                    let resized = vec![(first + position, *instance_type)];
                    let by_name = random.chance(0.3);
                    let when = random.between(stop + MINUTE, begin - MINUTE);
                    self.call(when, image, resized, What::Resize { by_name }, random);
                }
            }
            self.call(begin, image, group(&types), What::Start, random);
            at = begin;
        }
        let over = at + random.between(MINUTE, span.max(2 * MINUTE));
        if over >= end || random.chance(0.2) {
            self.ran(first, &types, at, None);
            return;
        }
        self.ran(first, &types, at, Some(over));
        let what = match random.below(10) {
            0..5 => What::Terminate,
            5..7 => What::TerminateByService,
            7..9 => What::Evict,
            _ => What::ScaleIn,
        };
        if what == What::ScaleIn {
            for instance in group(&types) {
                self.call(over, image, vec![instance], what, random);
            }
        } else {
            self.call(over, image, group(&types), what, random);
        }
    }

    fn ran(&mut self, first: usize, types: &[&'static str], start: i64, end: Option<i64>) {
        for (instance, instance_type) in self.instances[first..].iter_mut().zip(types) {
            instance.runs.push((start, end, instance_type));
        }
    }

    fn call(
        &mut self,
        at: i64,
        image: usize,
        instances: Vec<(usize, &'static str)>,
        what: What,
        random: &mut Random,
    ) {
        self.calls.push(Call {
            at,
            event_id: event_id(random),
            region: self.images[image].region,
            image,
            instances,
            what,
        });
    }
}

fn id(kind: &str, random: &mut Random) -> String {
    format!("{kind}-0{:016x}", random.next())
}

/// Looks like a UUID, as CloudTrail's do.
pub(super) fn event_id(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
