use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::filesystem::testing::InMemoryFileSystem;

/// Makes a file system with one file of the given text at each path, and the links.
fn fs(
    text: &'static str,
    files: &[&'static str],
    links: &[(&'static str, &'static str)],
) -> InMemoryFileSystem {
    let files = files.iter().map(|&path| (path, Ok(text)));
    let links = links.iter().map(|&(path, target)| (path, Err(target)));
    InMemoryFileSystem(files.chain(links).collect::<BTreeMap<_, _>>())
}

#[rstest]
#[case::root("/etc/a", "root")]
#[case::mount("/usr/lib/a", "usr")]
#[case::link_into_a_mount("/lib/a", "usr")]
#[case::link_out_of_a_mount("/usr/tmp/a", "var")]
#[case::up_out_of_a_mount("/usr/../etc/a", "root")]
#[case::link_up_out_of_a_mount("/usr/up/a", "root")]
#[case::no_way_out("/usr/../../../../usr/lib/a", "usr")]
#[case::what_is_mounted_hides("/usr/hidden", "")]
#[case::names_that_begin_alike("/usr2/a", "root")]
#[case::mount_in_a_mount("/usr/lib/sysimage/a", "sysimage")]
#[case::directory_of_a_file_system("/var/a", "var")]
#[case::above_that_directory("/var/../a", "")]
#[case::mounted_through_a_link("/srv/www/a", "www")]
#[case::where_the_link_led("/var/srv/www/a", "www")]
#[case::mounted_where_nothing_was("/place/a", "www")]
#[case::shown_twice("/mnt/sysimage/a", "sysimage")]
#[case::itself("/again/etc/a", "root")]
fn mounts(#[case] path: &str, #[case] found: &str) {
    let root = fs(
        "root",
        &["/etc/a", "/usr/hidden", "/usr2/a", "/mnt/x"],
        &[("/lib", "usr/lib"), ("/srv", "var/srv")],
    );
    let usr = fs(
        "usr",
        &["/lib/a"],
        &[("/tmp", "/var/tmp"), ("/up", "../etc")],
    );
    let sysimage = fs("sysimage", &["/a"], &[]);
    let var = fs(
        "var",
        &["/@/var/a", "/@/var/tmp/a", "/@/var/srv/b", "/@/a"],
        &[],
    );
    let www = fs("www", &["/a"], &[]);
    let mut tree = Root::new(&root);
    assert!(tree.mount("/usr/lib/sysimage", &sysimage, "/").unwrap());
    assert!(tree.mount("/usr", &usr, "/").unwrap());
    assert!(tree.mount("/var", &var, "/@/var").unwrap());
    assert!(tree.mount("/srv/www", &www, "/").unwrap());
    assert!(tree.mount("/place", &www, "/").unwrap());
    assert!(tree.bind("/mnt/sysimage", "/usr/lib/sysimage").unwrap());
    assert!(tree.bind("/again", "/").unwrap());
    let head = tree.head(path, 100).unwrap().unwrap_or_default();
    assert_eq!(String::from_utf8(head).unwrap(), found);
}

#[test]
fn what_is_not_there_is_not_mounted() {
    let (root, other) = (fs("root", &["/usr/a"], &[]), fs("other", &["/file"], &[]));
    let mut tree = Root::new(&root);
    assert!(!tree.mount("/usr", &other, "/@").unwrap());
    assert!(!tree.mount("/usr", &other, "/file").unwrap());
    assert!(!tree.bind("/usr", "/nothing").unwrap());
    assert!(tree.is_file("/usr/a").unwrap());
}

#[rstest]
#[case::below("/usr/lib/a")]
#[case::through_a_link("/lib/a")]
fn what_is_out_of_reach_is_an_error(#[case] path: &str) {
    let root = fs("root", &["/usr/lib/a", "/etc/a"], &[("/lib", "usr/lib")]);
    let sysimage = fs("sysimage", &["/a"], &[]);
    let mut tree = Root::new(&root);
    tree.withhold("/usr", "/usr is elsewhere".into());
    assert!(tree.mount("/usr/lib/sysimage", &sysimage, "/").unwrap());
    assert_eq!(
        tree.is_file(path).unwrap_err().to_string(),
        "/usr is elsewhere"
    );
    assert!(tree.names("/usr").is_err());
    assert!(tree.is_file("/usr/../etc/a").unwrap());
    assert!(
        tree.is_file("/usr/lib/sysimage/a").is_err(),
        "its mount point is out of reach"
    );
}

#[test]
fn the_later_of_two_mounts_hides_the_earlier() {
    let (root, first, second) = (
        fs("0", &["/a"], &[]),
        fs("1", &["/a"], &[]),
        fs("2", &["/a"], &[]),
    );
    let mut tree = Root::new(&root);
    assert!(tree.mount("/usr", &first, "/").unwrap());
    assert!(tree.mount("/usr", &second, "/").unwrap());
    assert_eq!(tree.head("/usr/a", 9).unwrap().unwrap(), b"2");
}
