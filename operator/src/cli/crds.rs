//! `cloudigrade crds`

use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::CommandError;
use super::output::print;
use cloudigrade_api::{CloudAccount, ImageInspection};

/// Where the definitions go.
#[derive(Debug, clap::Args)]
pub(super) struct CrdsArgs {
    /// Write one file a definition into this folder instead of printing them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Every definition, in the order they are printed.
fn definitions() -> [CustomResourceDefinition; 2] {
    [CloudAccount::crd(), ImageInspection::crd()]
}

/// Prints or writes the definitions.
pub(super) fn run(args: &CrdsArgs) -> Result<(), CommandError> {
    for crd in definitions() {
        let yaml = serde_saphyr::to_string(&crd)?;
        match &args.out {
            Some(folder) => {
                let path = folder.join(format!(
                    "{}.yaml",
                    crd.metadata.name.as_deref().unwrap_or_default()
                ));
                std::fs::write(&path, yaml)
                    .map_err(|e| format!("writing {}: {e}", path.display()))?;
            }
            None => print(&format!("---\n{yaml}"))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_what_the_types_say() {
        let folder = PathBuf::from("../crds");
        for crd in definitions() {
            let name = crd.metadata.name.as_deref().unwrap();
            let committed = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
            let generated = serde_saphyr::to_string(&crd).unwrap();
            assert!(
                committed == generated,
                "crds/{name}.yaml is out of date: run make generate"
            );
        }
    }
}
