//! From text to a walk. Every mistake of form is found here, before anything is started.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use super::{Action, Call, Expected, Line};

const ADMIN: &str = "admin";

/// Reads all lines.
pub fn lines(title: &str, text: &str) -> Result<Vec<Line>> {
    let mut reader = Reader {
        lines: Vec::new(),
        identities: BTreeSet::from([ADMIN.to_owned()]),
        after_command: false,
    };
    for (index, line) in text.lines().enumerate() {
        reader
            .take(index + 1, line)
            .with_context(|| format!("line {} of {title}: `{}`", index + 1, line.trim()))?;
    }
    reader.indentation_taken_away();
    Ok(reader.lines)
}

struct Reader {
    lines: Vec<Line>,
    identities: BTreeSet<String>,
    /// Whether indented lines still belong to the command before.
    after_command: bool,
}

impl Reader {
    fn take(&mut self, number: usize, line: &str) -> Result<()> {
        if self.after_command && (line.starts_with([' ', '\t']) || (line.is_empty() && self.in_indented_part())) {
            return self.more_of_the_command(line);
        }
        self.after_command = false;
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix('#') {
            self.push(number, Action::Narrate(rest.trim().to_owned()));
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix('>') {
            self.expected()?.lines.push(rest.trim().to_owned());
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix('!') {
            self.expected()?.code = rest.trim().parse().context("`!` wants an exit code, as in `! 1`")?;
            return Ok(());
        }
        let action = match line.split_once(' ') {
            Some(("identity", rest)) => self.identity(rest)?,
            Some(("let", rest)) => {
                let (variable, call) = rest.split_once('=').context("write `let VARIABLE = NAME $ COMMAND`")?;
                let variable = variable_name(variable.trim())?;
                self.after_command = true;
                Action::Let {
                    variable,
                    call: self.call(call.trim())?,
                }
            }
            _ => {
                let call = self.call(line)?;
                self.after_command = true;
                Action::Step(call, Expected::default())
            }
        };
        self.push(number, action);
        Ok(())
    }

    fn push(&mut self, number: usize, action: Action) {
        self.lines.push(Line { number, action });
    }

    fn last(&mut self) -> Option<&mut Action> {
        self.lines.last_mut().map(|line| &mut line.action)
    }

    fn expected(&mut self) -> Result<&mut Expected> {
        match self.last() {
            Some(Action::Step(_, expected)) => Ok(expected),
            _ => bail!("what must come out stands directly after a command"),
        }
    }

    fn identity(&mut self, rest: &str) -> Result<Action> {
        let (name, what) = rest.split_once('=').context("write `identity NAME = USER`")?;
        let name = name.trim().to_owned();
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
        ensure!(
            plain && name != "let" && name != "identity",
            "`{name}` cannot be the name of an identity"
        );
        ensure!(
            self.identities.insert(name.clone()),
            "the identity `{name}` exists already"
        );
        let words: Vec<&str> = what.split_whitespace().collect();
        match words.as_slice() {
            [what @ ("token" | "kubeconfig"), variable] => {
                let variable = variable.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                let variable = variable.with_context(|| format!("write `identity NAME = {what} ${{VARIABLE}}`"))?;
                let variable = variable_name(variable)?;
                Ok(if *what == "token" {
                    Action::Bearer { name, variable }
                } else {
                    Action::Kubeconfig { name, variable }
                })
            }
            [user] => Ok(Action::User {
                name,
                user: (*user).to_owned(),
                groups: Vec::new(),
            }),
            [user, "in", groups @ ..] if !groups.is_empty() => {
                let groups = groups.concat().split(',').map(str::to_owned).collect();
                Ok(Action::User {
                    name,
                    user: (*user).to_owned(),
                    groups,
                })
            }
            _ => bail!(
                "write `identity NAME = USER`, `... in GROUP, GROUP` or `identity NAME = token ${{VARIABLE}}`, or `... = kubeconfig ${{VARIABLE}}`"
            ),
        }
    }

    fn call(&self, line: &str) -> Result<Call> {
        let usage = "a line is narration (`#`), `NAME $ COMMAND`, `NAME ~ COMMAND`, `identity ...` or `let ...`";
        let (identity, rest) = line.split_once(' ').context(usage)?;
        let (mark, command) = rest.trim_start().split_once(' ').context(usage)?;
        let patient = match mark {
            "$" => false,
            "~" => true,
            _ => bail!(usage),
        };
        ensure!(
            self.identities.contains(identity),
            "there is no identity `{identity}`: declare it above"
        );
        Ok(Call {
            identity: identity.to_owned(),
            command: command.trim().to_owned(),
            patient,
        })
    }

    fn command(&mut self) -> Option<&mut String> {
        match self.last() {
            Some(Action::Step(call, _) | Action::Let { call, .. }) => Some(&mut call.command),
            _ => None,
        }
    }

    fn in_indented_part(&mut self) -> bool {
        self.command().is_some_and(|command| command.contains('\n'))
    }

    fn more_of_the_command(&mut self, line: &str) -> Result<()> {
        let command = self.command().context("there is no command to continue")?;
        command.push('\n');
        command.push_str(line.trim_end());
        Ok(())
    }

    fn indentation_taken_away(&mut self) {
        for line in &mut self.lines {
            if let Action::Step(call, _) | Action::Let { call, .. } = &mut line.action {
                call.command = joined(&call.command);
            }
        }
    }
}

/// A here-document keeps its lines; anything else that goes on over several lines is one line to bash.
fn joined(command: &str) -> String {
    let mut lines = command.trim_end().split('\n');
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.collect();
    let indentation = rest.first().map_or(0, |line| line.len() - line.trim_start().len());
    let plain = |line: &&str| line.get(indentation..).unwrap_or_else(|| line.trim_start()).to_owned();
    let lines = std::iter::once(first.to_owned()).chain(rest.iter().map(plain));
    if command.contains("<<") {
        return lines.collect::<Vec<String>>().join("\n");
    }
    // A backslash at the end, out of habit, says the same.
    let lines = lines.map(|line| line.trim_end_matches('\\').trim().to_owned());
    lines.collect::<Vec<String>>().join(" ")
}

fn variable_name(name: &str) -> Result<String> {
    let starts = name.starts_with(|letter: char| letter.is_ascii_uppercase());
    let plain = name
        .chars()
        .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
    ensure!(
        starts && plain,
        "`{name}` cannot be a variable: write it in capitals, digits and `_`"
    );
    let taken = ["PATH", "HOME", "KUBECONFIG", "KUBECACHEDIR", "XDG_RUNTIME_DIR"].contains(&name);
    ensure!(
        !taken,
        "the variable `{name}` is set for each command already: take another name"
    );
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(text: &str) -> Vec<Action> {
        lines("test", text)
            .unwrap()
            .into_iter()
            .map(|line| line.action)
            .collect()
    }

    fn mistake(text: &str) -> String {
        format!("{:#}", lines("a.txt", text).unwrap_err())
    }

    fn call(identity: &str, command: &str, patient: bool) -> Call {
        Call {
            identity: identity.to_owned(),
            command: command.to_owned(),
            patient,
        }
    }

    #[test]
    fn each_kind_of_line_is_read() {
        let text = "# A title\n\nidentity percy = percy@league in staff, fleet\nlet SECRET_T = admin ~ kubectl create token x\n\
                    identity session = token ${SECRET_T}\nidentity inside = kubeconfig ${PLACE}\npercy $ kubectl get ns\n! 1\n> no ... access\n> at all\n";
        let expected = vec![
            Action::Narrate("A title".to_owned()),
            Action::User {
                name: "percy".to_owned(),
                user: "percy@league".to_owned(),
                groups: vec!["staff".to_owned(), "fleet".to_owned()],
            },
            Action::Let {
                variable: "SECRET_T".to_owned(),
                call: call("admin", "kubectl create token x", true),
            },
            Action::Bearer {
                name: "session".to_owned(),
                variable: "SECRET_T".to_owned(),
            },
            Action::Kubeconfig {
                name: "inside".to_owned(),
                variable: "PLACE".to_owned(),
            },
            Action::Step(
                call("percy", "kubectl get ns", false),
                Expected {
                    code: 1,
                    lines: vec!["no ... access".to_owned(), "at all".to_owned()],
                },
            ),
        ];
        assert_eq!(actions(text), expected);
    }

    #[test]
    fn indented_lines_continue_a_command() {
        let text = "admin $ kubectl get pods\n    -o name \\\n    -A\n> x\n";
        let Some(Action::Step(read, expected)) = actions(text).pop() else {
            panic!("no step")
        };
        assert_eq!(read.command, "kubectl get pods -o name -A");
        assert_eq!(expected.lines, ["x"]);
    }

    #[test]
    fn a_here_document_keeps_its_lines_and_their_relative_indentation() {
        let text = "admin $ kubectl apply -f - <<EOF\n    kind: X\n    spec:\n      a: 1\n\n      b: 2\n    EOF\n\nadmin $ true\n";
        let Some(Action::Step(read, _)) = actions(text).into_iter().next() else {
            panic!("no step")
        };
        assert_eq!(
            read.command,
            "kubectl apply -f - <<EOF\nkind: X\nspec:\n  a: 1\n\n  b: 2\nEOF"
        );
        assert_eq!(actions(text).len(), 2);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let unknown = mistake("# x\npercy $ kubectl get ns\n");
        assert!(
            unknown.contains("line 2 of a.txt: `percy $ kubectl get ns`"),
            "{unknown}"
        );
        assert!(unknown.contains("no identity `percy`"), "{unknown}");
        assert!(mistake("> out of nowhere\n").contains("directly after a command"));
        assert!(mistake("admin $ true\n! no\n").contains("exit code"));
        assert!(mistake("identity admin = root\n").contains("exists already"));
        assert!(mistake("identity a = b c\n").contains("write `identity"));
        assert!(mistake("identity a = token x\n").contains("token ${VARIABLE}"));
        assert!(mistake("identity a = kubeconfig x\n").contains("kubeconfig ${VARIABLE}"));
        assert!(mistake("let lower = admin $ true\n").contains("in capitals"));
        assert!(mistake("let A = admin $ true\n> x\n").contains("directly after a command"));
        assert!(mistake("admin kubectl get ns\n").contains("NAME $ COMMAND"));
    }
}
