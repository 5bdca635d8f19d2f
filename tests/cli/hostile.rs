//! Whatever is in a file, it is answered, with bounded memory and time.

use super::{check, judged, role, text};
use std::fmt::Write as _;
use std::process::Command;

/// `check` in an address space of 512 MiB: who takes more dies, and does not answer 1.
fn confined(input: &str) -> (Option<i32>, String) {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}.yaml", input.len()));
    std::fs::write(&file, input).unwrap();
    let script = "ulimit -v 524288; exec \"$0\" check \"$1\"";
    let mut shell = Command::new("sh");
    let output = shell
        .args(["-c", script, env!("CARGO_BIN_EXE_pimpernel")])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    (output.status.code(), text(&output.stdout))
}

#[test]
fn repetition_that_grows_without_bound_is_refused() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [below.as_str(); 9].join(", ")).unwrap();
    }
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        vec!["*a"; 10_000].join(", ")
    );
    let merged = bomb.replace("[lol, lol, lol, lol, lol, lol, lol, lol, lol]", "{x: y}");
    for bomb in [&bomb, &long, &merged] {
        let (code, told) = confined(bomb);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("repeats so much by `*`"), "{told}");
    }
}

#[test]
fn what_is_nested_ten_thousand_levels_deep_is_refused() {
    let blocks = (0..10_000).fold(String::new(), |mut text, depth| {
        writeln!(text, "{}a:", " ".repeat(depth)).unwrap();
        text
    });
    for deep in [
        "[".repeat(10_000),
        "{a: ".repeat(10_000),
        format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000)),
        blocks,
    ] {
        let (code, told) = confined(&deep);
        assert_eq!(code, Some(1), "{told}");
    }
}

#[test]
fn an_object_of_three_megabytes_is_judged_and_one_that_cannot_be_sent_is_refused() {
    let entry = "  - {application: admin, permission: employees, actions: [View]}\n";
    let big = role("Big") + "  permissions:\n" + &entry.repeat(3_000_000 / entry.len());
    let (code, told) = confined(&big);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("at most 512 are allowed"), "{told}");
    let (code, told) = confined(&(role("Big") + "  description: " + &"x".repeat(4_000_000)));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("at most 3145728 can be sent"), "{told}");
}

#[test]
fn what_is_no_text_and_names_that_deceive_are_refused_or_shown_as_they_are() {
    let binary = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("binary.yaml");
    std::fs::write(&binary, [0xff, 0xfe, 0, 1]).unwrap();
    let output = check(&[binary.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("is not UTF-8"));
    let long = role("A").replace("name: a,", &format!("name: {},", "a".repeat(254)));
    assert_eq!(judged(&long)[0]["violations"][0]["field"], "metadata.name");
    let colours = role("\"\\e[31mRed\"");
    assert!(
        !text(&check(&["-"], &colours).stdout).contains('\u{1b}'),
        "a terminal obeys nothing that is in a file"
    );
}
