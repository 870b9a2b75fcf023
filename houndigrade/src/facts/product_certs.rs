//! RHEL's product certificates: `69.pem` (Server) and `479.pem` (RHEL 8 and later).

use super::Findings;
use crate::filesystem::{FileSystemError, Root};
use houndigrade_report::{Evidence, ProductCerts};

const DIRECTORIES: [&str; 2] = ["/etc/pki/product", "/etc/pki/product-default"];
const NAMES: [&str; 2] = ["479.pem", "69.pem"];

pub(super) fn check(root: &Root<'_>, findings: &mut Findings) {
    findings.facts.rhel_product_certs = match findings.keep("product certificates", find(root)) {
        Ok(paths) => {
            findings.evidence.extend(paths.iter().map(|path| Evidence {
                fact: "rhel_product_certs".into(),
                path: path.clone(),
                detail: "RHEL product certificate".into(),
            }));
            ProductCerts {
                rhel_found: Some(!paths.is_empty()),
                rhel_pem_files: Some(paths),
                status: None,
            }
        }
        Err(problem) => ProductCerts {
            status: Some(problem),
            ..ProductCerts::default()
        },
    };
}

fn find(root: &Root<'_>) -> Result<Vec<String>, FileSystemError> {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        for name in NAMES {
            let path = format!("{directory}/{name}");
            if root.is_file(&path)? {
                found.push(path);
            }
        }
    }
    Ok(found)
}
