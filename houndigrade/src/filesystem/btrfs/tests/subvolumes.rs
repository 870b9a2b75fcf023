//! Subvolumes, snapshots, and where the root of a system may be.

use super::*;

fn btrfs(arguments: &[&str]) -> Option<()> {
    run("btrfs", arguments, "").map(drop)
}

fn at(mount: &KernelMount, path: &str) -> String {
    mount.path().join(path).to_str().unwrap().to_owned()
}

#[test]
fn subvolumes_and_snapshots_are_directories() {
    let Some(image) = BtrfsImage::new("") else {
        return;
    };
    let Some(mounted) = image.mount(TOP) else {
        return;
    };
    let Some(()) = btrfs(&["subvolume", "create", &at(&mounted, "outer")]) else {
        return;
    };
    fs::create_dir(at(&mounted, "outer/folder")).unwrap();
    btrfs(&["subvolume", "create", &at(&mounted, "outer/folder/inner")]).unwrap();
    fs::write(at(&mounted, "outer/file"), "before").unwrap();
    fs::write(at(&mounted, "outer/folder/inner/file"), "inner").unwrap();
    btrfs(&[
        "subvolume",
        "snapshot",
        "-r",
        &at(&mounted, "outer"),
        &at(&mounted, "snapshot"),
    ])
    .unwrap();
    fs::write(at(&mounted, "outer/file"), "after").unwrap();
    btrfs(&["subvolume", "create", &at(&mounted, "gone")]).unwrap();
    fs::write(at(&mounted, "gone/file"), "gone").unwrap();
    btrfs(&["subvolume", "delete", &at(&mounted, "gone")]).unwrap();
    drop(mounted);

    let fs = image.open().unwrap();
    let mounted = image.mount("subvolid=5,ro").unwrap();
    assert_same_tree(&*fs, mounted.path());
    assert_eq!(
        fs.names("/snapshot/folder/inner", 10).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(
        fs.file_type("/snapshot/folder/inner").unwrap(),
        Some(FileType::Directory)
    );
    assert_eq!(fs.file_type("/snapshot/folder/inner/file").unwrap(), None);
    assert_eq!(fs.roots(), ["/root", "/@", "/"]);
}

#[rstest]
#[case::fedora(&["root", "home"], None, &[])]
#[case::ubuntu(&["@", "@home"], None, &[])]
#[case::default_is_set(&["root", "home"], Some("home"), &["/home"])]
#[case::default_is_the_top_level(&["root"], Some("."), &[])]
#[case::suse(
    &["@", "@/.snapshots", "@/.snapshots/1/snapshot"],
    Some("@/.snapshots/1/snapshot"),
    &["/@/.snapshots/1/snapshot"]
)]
fn the_default_subvolume_is_the_likeliest_root(
    #[case] subvolumes: &[&str],
    #[case] default: Option<&str>,
    #[case] first: &[&str],
) {
    let Some(image) = BtrfsImage::new("") else {
        return;
    };
    let Some(mounted) = image.mount(TOP) else {
        return;
    };
    for subvolume in subvolumes {
        let path = at(&mounted, subvolume);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        let Some(()) = btrfs(&["subvolume", "create", &path]) else {
            return;
        };
        fs::write(format!("{path}/name"), subvolume).unwrap();
    }
    if let Some(default) = default {
        btrfs(&["subvolume", "set-default", &at(&mounted, default)]).unwrap();
    }
    drop(mounted);

    let fs = image.open().unwrap();
    let usual = ["/root", "/@", "/"];
    assert_eq!(fs.roots(), [first, &usual[..]].concat());
    let mounted = image.mount("subvolid=5,ro").unwrap();
    assert_same_tree(&*fs, mounted.path());
}
