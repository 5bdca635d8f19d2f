//! YAML is read as kubectl reads it: what is expected here is what `kubectl annotate --local -o json` prints.

use super::{judged, role};
use serde_json::Value;

/// What the display name of a role in that notation comes to: the text, or what is wrong with it.
fn read(display_name: &str) -> String {
    let objects = judged(&role(display_name));
    let violations = &objects[0]["violations"];
    violations[0]["message"]
        .as_str()
        .map_or("text".to_owned(), str::to_owned)
}

#[test]
fn plain_scalars_are_those_of_yaml_1_1() {
    for (written, read_as) in [
        ("y", "boolean `true`"),
        ("Yes", "boolean `true`"),
        ("on", "boolean `true`"),
        ("N", "boolean `false`"),
        ("Off", "boolean `false`"),
        ("010", "integer `8`"),
        ("0o10", "integer `8`"),
        ("08", "integer `8`"),
        ("0x1F", "integer `31`"),
        ("-0b11", "integer `-3`"),
        ("1_000", "integer `1000`"),
        ("+1", "integer `1`"),
        ("1.0", "integer `1`"),
        ("1e3", "integer `1000`"),
        (".5", "number `0.5`"),
        ("1_0.5", "number `10.5`"),
        ("!!int \"12\"", "integer `12`"),
        ("!!bool yes", "boolean `true`"),
    ] {
        let told = read(written);
        assert!(told.contains(&format!("is the {read_as}")), "{written}: {told}");
    }
    for written in [
        "\"yes\"",
        "'010'",
        "oFF",
        "tRue",
        "12:30:45",
        "2001-01-01",
        "2001-01-01T00:00:00Z",
        "_1",
        "0x",
        "1e400",
        "=",
        "!!str 12",
        "! 12",
        "!foo bar",
        "|-\n    yes",
    ] {
        assert_eq!(read(written), "text", "{written}");
    }
    for written in ["", "~", "null", "Null"] {
        assert_eq!(read(written), "is missing: give it a value", "{written:?}");
    }
    assert!(read(".inf").contains("is no number that can be sent"));
    assert!(read("!!null a").contains("is not what its tag"));
}

#[test]
fn of_a_key_that_is_written_twice_the_last_one_counts_and_a_warning_says_so() {
    let objects = judged(&(role("x<y") + "  displayName: Night Watch\n"));
    assert_eq!(objects[0]["verdict"], "Admitted", "{objects:?}");
    let warning = objects[0]["warnings"][0].as_str().unwrap();
    assert_eq!(
        warning,
        "`displayName` is written twice, on lines 5 and 6: only the last one counts"
    );
}

#[test]
fn anchors_and_merges_are_written_out_in_their_own_document() {
    let grant = "  permissions:\n  - &grant {application: admin, permission: employees, actions: [View]}\n";
    let objects = judged(&format!(
        "{}{grant}  - <<: *grant\n    permission: tenants\n",
        role("Night Watch")
    ));
    let told = objects[0]["violations"].to_string();
    assert!(told.contains("spec.permissions[1].permission"), "{objects:?}");
    let objects = judged(&format!(
        "{}{grant}---\n{}  permissions: [*grant]\n",
        role("A"),
        role("B")
    ));
    assert_eq!(objects.len(), 2);
    assert!(
        objects[1]["violations"][0]["message"]
            .as_str()
            .unwrap()
            .contains("is not YAML: line "),
        "{objects:?}"
    );
}

#[test]
fn documents_stand_for_themselves_and_lists_are_taken_apart() {
    let item = serde_json::to_string(&serde_yaml::from_str::<Value>(&role("Night Watch")).unwrap()).unwrap();
    let text = format!(
        "---\n# nothing\n---\na: [\n---\n{}...\n---\napiVersion: v1\nkind: List\nitems: [{item}, {item}]\n---\n- 1\n",
        role("A")
    );
    let objects = judged(&text);
    let of = |key: &str| objects.iter().map(|object| object[key].clone()).collect::<Vec<_>>();
    assert_eq!(
        of("verdict"),
        ["Refused", "Admitted", "Admitted", "Admitted", "Refused"],
        "{objects:?}"
    );
    assert_eq!(of("line"), [4, 6, 13, 13, 17].map(Value::from), "{objects:?}");
    assert_eq!(
        judged(&format!("{item}\n{item}")).len(),
        2,
        "one JSON object after another"
    );
    let objects = judged(&(role("A") + "...\n" + &role("B")));
    assert!(
        objects[0]["violations"]
            .to_string()
            .contains("what follows `...` is not read"),
        "{objects:?}"
    );
    assert_eq!(
        judged(&format!("\u{feff}{}", role("A")))[0]["verdict"],
        "Admitted",
        "a byte order mark"
    );
}

#[test]
fn fields_that_do_not_exist_are_refused_as_strict_validation_does() {
    let objects = judged(&(role("A") + "  displayname: B\nstatus: {what: 1}\n"));
    let fields: Vec<_> = objects[0]["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| &found["field"])
        .collect();
    assert_eq!(fields, ["spec.displayname", "status.what"]);
}
