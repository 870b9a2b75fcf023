mod device_mapper;
mod hostile;
mod layouts;
mod losses;
mod reference;
pub(crate) mod tools;

use super::*;

/// Returns the volume called `name`, which must be readable.
fn open<'a>(assembled: &'a Assembled, name: &str) -> &'a Arc<dyn BlockSource> {
    let volume = volume(assembled, name);
    volume
        .source
        .as_ref()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the reason why the volume called `name` can't be read.
fn error(assembled: &Assembled, name: &str) -> String {
    volume(assembled, name)
        .source
        .as_ref()
        .err()
        .unwrap()
        .to_string()
}

fn volume<'a>(assembled: &'a Assembled, name: &str) -> &'a LogicalVolume {
    let names = names(assembled);
    let found = assembled.volumes.iter().find(|volume| volume.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {names:?}: {:?}", assembled.problems))
}

fn names(assembled: &Assembled) -> Vec<&str> {
    assembled
        .volumes
        .iter()
        .map(|volume| volume.name.as_str())
        .collect()
}
