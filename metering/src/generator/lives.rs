//! The history of one account: first the runs of its instances, then the calls that lead to them.

use super::config::Config;
use super::random::Random;

/// The true history of an account.
pub(super) struct Lives {
    pub(super) images: Vec<GeneratedImage>,
    pub(super) instances: Vec<GeneratedInstance>,
    /// In no order.
    pub(super) calls: Vec<ApiCall>,
}

pub(super) struct GeneratedImage {
    pub(super) id: String,
    pub(super) region: usize,
    /// It carries the tag for RHEL in the end.
    pub(super) rhel: bool,
}

pub(super) struct GeneratedInstance {
    pub(super) id: String,
    pub(super) image: usize,
    pub(super) runs: Vec<(i64, Option<i64>, &'static str)>,
}

/// A call of EC2's API, or an event without one.
pub(super) struct ApiCall {
    /// Seconds since 1970.
    pub(super) at: i64,
    pub(super) event_id: String,
    pub(super) region: usize,
    pub(super) image: usize,
    /// Instances and their types at the time.
    pub(super) instances: Vec<(usize, &'static str)>,
    pub(super) kind: CallKind,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum CallKind {
    /// `fleet`: on behalf of a service. `wanted`: the number asked for, which can exceed the capacity.
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
        self.images.push(GeneratedImage {
            id: id("ami", random),
            region,
            rhel,
        });
        // Tags go on and off; the last change counts.
        let mut changes: Vec<i64> = (0..1 + random.index(4))
            .map(|_| random.between(start, end - 1))
            .collect();
        changes.sort_unstable();
        changes.dedup();
        for (left, at) in changes.into_iter().rev().enumerate() {
            let kind = match (rhel == (left % 2 == 0), random.chance(0.5)) {
                (true, _) => CallKind::Tag,
                (false, true) => CallKind::Untag,
                (false, false) => CallKind::UntagAll,
            };
            self.call(at, image, Vec::new(), kind, random);
        }
    }

    /// Launches instances that are stopped and started together.
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
            self.instances.push(GeneratedInstance {
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
        let launch = CallKind::Launch { fleet, wanted };
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
            let kind = if random.chance(0.05) {
                CallKind::StopUnanswered
            } else {
                CallKind::Stop
            };
            self.call(stop, image, group(&types), kind, random);
            for (position, instance_type) in types.iter_mut().enumerate() {
                if random.chance(0.1) {
                    *instance_type = TYPES[random.index(TYPES.len())];
                    let resized = vec![(first + position, *instance_type)];
                    let by_name = random.chance(0.3);
                    let when = random.between(stop + MINUTE, begin - MINUTE);
                    self.call(when, image, resized, CallKind::Resize { by_name }, random);
                }
            }
            self.call(begin, image, group(&types), CallKind::Start, random);
            at = begin;
        }
        let over = at + random.between(MINUTE, span.max(2 * MINUTE));
        if over >= end || random.chance(0.2) {
            self.ran(first, &types, at, None);
            return;
        }
        self.ran(first, &types, at, Some(over));
        let kind = match random.below(10) {
            0..5 => CallKind::Terminate,
            5..7 => CallKind::TerminateByService,
            7..9 => CallKind::Evict,
            _ => CallKind::ScaleIn,
        };
        if kind == CallKind::ScaleIn {
            // Auto Scaling only begins it; the end is EC2's record.
            for instance in group(&types) {
                self.call(over - MINUTE / 2, image, vec![instance], kind, random);
            }
            let end = CallKind::TerminateByService;
            self.call(over, image, group(&types), end, random);
        } else {
            self.call(over, image, group(&types), kind, random);
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
        kind: CallKind,
        random: &mut Random,
    ) {
        self.calls.push(ApiCall {
            at,
            event_id: event_id(random),
            region: self.images[image].region,
            image,
            instances,
            kind,
        });
    }
}

fn id(prefix: &str, random: &mut Random) -> String {
    format!("{prefix}-0{:016x}", random.next())
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
