//! Manifests as kubectl reads them: JSON, or YAML 1.1 with the scalars of kubectl's own library, one document after
//! another, each for itself. No document can make this take more than a small multiple of its size.

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, Tag};
use regex::Regex;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How deep a document may be nested; none of the kinds needs ten levels.
const DEEPEST: usize = 100;
/// How much memory the repetitions of a document (`*alias`) may come to, in bytes.
const MOST_REPEATED: usize = 16 << 20;
/// What a value weighs besides its text, in bytes.
const VALUE: usize = 64;

static FLOAT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());

/// One document.
pub struct Document {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What it says, or why it cannot be read.
    pub value: Result<Value, String>,
    /// What its writer should know all the same.
    pub warnings: Vec<String>,
}

/// The documents of a text, but for empty ones.
pub fn documents(text: &str) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents = parts(text).into_iter().flat_map(|(line, part)| match json(part) {
        Some(values) => values.into_iter().map(|value| Document::new(line, Ok(value))).collect(),
        None => vec![yaml(line, part)],
    });
    documents.filter(|document| document.value != Ok(Value::Null)).collect()
}

impl Document {
    fn new(line: usize, value: Result<Value, String>) -> Self {
        Self {
            line,
            value,
            warnings: vec![],
        }
    }
}

/// The text between lines that begin with `---`, with the line on which each part begins.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let (mut parts, mut begin, mut at) = (vec![], (1, 0), 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let next = at + line.len();
        if line.starts_with("---") {
            parts.push((begin.0, text.get(begin.1..at).unwrap_or_default()));
            begin = (number + 2, next);
        }
        at = next;
    }
    parts.push((begin.0, text.get(begin.1..).unwrap_or_default()));
    parts
}

/// The JSON values that a part consists of, if it does.
fn json(part: &str) -> Option<Vec<Value>> {
    if !part.trim_start().starts_with('{') {
        return None;
    }
    let values = serde_json::Deserializer::from_str(part).into_iter::<Value>();
    values.map(|value| value.map(plain_numbers).ok()).collect()
}

/// A whole number is one however it is written: kubectl sends `1.0` as `1`.
fn plain_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => number.as_f64().map_or(Value::Number(number), number_of),
        Value::Array(items) => items.into_iter().map(plain_numbers).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, plain_numbers(value)))
            .collect(),
        other => other,
    }
}

fn number_of(float: f64) -> Value {
    // Every whole number below this is exact, and fits.
    if float.fract() == 0.0 && float.abs() < 9e18 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, by the line before")]
        return Value::from(float as i64);
    }
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}

fn yaml(line: usize, part: &str) -> Document {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(part, options),
        above: line - 1,
        anchors: BTreeMap::new(),
        repeated: 0,
        warnings: vec![],
    };
    let (begins, value) = reader.document();
    Document {
        line: begins.map_or(line, |begins| begins + line - 1),
        value,
        warnings: reader.warnings,
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    above: usize,
    anchors: BTreeMap<usize, Value>,
    repeated: usize,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The one document of a part, and the line in the part on which it begins.
    fn document(&mut self) -> (Option<usize>, Result<Value, String>) {
        loop {
            let (event, line) = match self.next() {
                Ok(next) => next,
                Err(error) => return (None, Err(error)),
            };
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => return (None, Ok(Value::Null)),
                event => {
                    let value = self.node(event, 0);
                    return (Some(line), value.and_then(|value| self.nothing_else().map(|()| value)));
                }
            }
        }
    }

    /// What follows `...` is not read by kubectl, and would not be missed.
    fn nothing_else(&mut self) -> Result<(), String> {
        loop {
            match self.next()?.0 {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(..) => {
                    return Err("what follows `...` is not read: begin it with `---`".to_owned());
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, usize), String> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => {
                let line = error.marker().line() + self.above;
                Err(format!("is not YAML: line {line}: {}", error.info()))
            }
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(format!("is nested more than {DEEPEST} levels deep: flatten it"));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or("an anchor contains itself: write the value out")?;
                self.spend(&value)?;
                (value, 0)
            }
            _ => return Err("is not YAML: a value is missing".to_owned()),
        };
        if anchor != 0 {
            self.spend(&value)?;
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn spend(&mut self, value: &Value) -> Result<(), String> {
        self.repeated += weight(value);
        if self.repeated > MOST_REPEATED {
            return Err("repeats so much by `*` that it becomes too large: write out what is needed".to_owned());
        }
        Ok(())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = vec![];
        loop {
            match self.next()?.0 {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let (mut fields, mut own) = (Map::new(), BTreeMap::new());
        loop {
            let (event, line) = self.next()?;
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            if event == Event::MappingEnd {
                return Ok(Value::Object(fields));
            }
            let key = self.node(event, depth + 1)?;
            let value = self.next()?.0;
            let value = self.node(value, depth + 1)?;
            if merges {
                merge(&mut fields, value)?;
                continue;
            }
            let key = key_of(key)?;
            if let Some(first) = own.insert(key.clone(), line) {
                let (first, line) = (first + self.above, line + self.above);
                self.warnings.push(format!(
                    "`{key}` is written twice, on lines {first} and {line}: only the last one counts"
                ));
            }
            fields.insert(key, value);
        }
    }
}

fn weight(value: &Value) -> usize {
    VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| VALUE + key.len() + weight(value))
                .sum(),
            _ => 0,
        }
}

/// `<<`: of several maps the first one that has a key gives it.
fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    let maps = match value {
        Value::Array(maps) => maps,
        map => vec![map],
    };
    for map in maps.into_iter().rev() {
        match map {
            Value::Object(fields) => into.extend(fields),
            _ => return Err("`<<` merges maps only: name an anchor of a map".to_owned()),
        }
    }
    Ok(())
}

fn key_of(key: Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(key.to_string()),
        _ => Err("a key is neither text, a number nor a boolean: put it in quotes".to_owned()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain {
            resolved(text)
        } else {
            Ok(text.into())
        };
    };
    let wrong = || format!("`{text}` is not what its tag `{tag}` says: correct one of the two");
    match tag.core_suffix() {
        Some("str") | None if tag.suffix() != "binary" => Ok(text.into()),
        None => Err("`!!binary` is not read here: write the text itself".to_owned()),
        Some(wanted) => match (wanted, resolved(text)?) {
            ("null", value @ Value::Null) | ("bool", value @ Value::Bool(_)) | ("float", value @ Value::Number(_)) => {
                Ok(value)
            }
            ("int", Value::Number(number)) if number.is_i64() => Ok(number.into()),
            _ => Err(wrong()),
        },
    }
}

/// What a plain scalar is: by YAML 1.1, where `yes` and `on` are booleans and `010` is eight.
fn resolved(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        _ if infinite(text) => return Err(format!("`{text}` is no number that can be sent: put it in quotes")),
        _ => number(text).unwrap_or_else(|| text.into()),
    })
}

fn infinite(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let signed = text.len() - digits.len();
    (signed <= 1 && [".inf", ".Inf", ".INF"].contains(&digits)) || [".nan", ".NaN", ".NAN"].contains(&text)
}

fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let plain: Cow<'_, str> = if text.starts_with('.') {
        text.into()
    } else {
        text.replace('_', "").into()
    };
    if let Some(whole) = integer(&plain) {
        return Some(whole);
    }
    let float = FLOAT.as_ref().is_some_and(|float| float.is_match(&plain));
    let float: f64 = float.then(|| plain.parse().ok())??;
    float.is_finite().then(|| number_of(float))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match prefix.as_deref() {
        Some("0x") => (16, digits.get(2..)?),
        Some("0o") => (8, digits.get(2..)?),
        Some("0b") => (2, digits.get(2..)?),
        Some(_) if digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // A second sign would be taken too.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let amount = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(amount)) {
        (false, Ok(amount)) => Some(amount.into()),
        (true, _) => Some(0_i64.checked_sub_unsigned(amount)?.into()),
        #[expect(clippy::cast_precision_loss, reason = "so does kubectl")]
        (false, Err(_)) => Some(number_of(amount as f64)),
    }
}
