//! Pages of documentation, as far as a test looks into them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the repository that pages name paths in.
const FOLDERS: [&str; 11] = [
    "src/",
    "tests/",
    "tools/",
    "examples/",
    "docs/",
    "catalog/",
    "crds/",
    "rbac/",
    "policies/",
    "charts/",
    "config/",
];
/// Pages at the root name files at the root, too.
const EXTENSIONS: [&str; 4] = [".md", ".toml", ".rs", ".yaml"];

/// One page.
pub struct Page {
    /// Where it is.
    pub path: PathBuf,
    /// The same from the root, for messages.
    pub name: String,
    text: String,
}

impl Page {
    /// Reads a page.
    pub fn read(root: &Path, path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            name: path.strip_prefix(root).unwrap_or(path).display().to_string(),
            text,
        })
    }

    /// The fenced blocks in that language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = vec![];
        let mut open: Option<(bool, String)> = None;
        for line in self.text.lines() {
            match (&mut open, line.trim_start().strip_prefix("```")) {
                (None, Some(found)) => open = Some((found.trim() == language, String::new())),
                (None, None) => {}
                (Some(_), Some(_)) => blocks.extend(open.take().filter(|(wanted, _)| *wanted).map(|(_, text)| text)),
                (Some((_, text)), None) => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        blocks
    }

    /// The text outside of fenced blocks.
    fn prose(&self) -> String {
        let parts = self.text.split("```").step_by(2);
        parts.collect::<Vec<_>>().join("\n")
    }

    /// The targets of `make` in commands: in blocks for the shell, and in back-ticks.
    pub fn make_targets(&self) -> Vec<String> {
        let blocks = self.blocks("sh");
        let prose = self.prose();
        let lines = blocks.iter().flat_map(|block| block.lines());
        let spans = prose.split('`').skip(1).step_by(2);
        let commands = lines
            .chain(spans)
            .flat_map(|code| code.split([';', '(', ')', '&', '|', '"']));
        commands
            .filter_map(|command| {
                let mut words = command.split_whitespace();
                (words.next() == Some("make")).then_some(())?;
                words.find(|word| !word.starts_with('-') && !word.contains('='))
            })
            .map(str::to_owned)
            .collect()
    }

    /// The paths from the root that the page names anywhere.
    pub fn paths(&self) -> Vec<String> {
        let at_root = !self.name.contains('/');
        let breaks = |c: char| c.is_whitespace() || "`()[]{}\"',;|=*<>".contains(c);
        let words = self
            .text
            .split(breaks)
            .map(|word| word.split('#').next().unwrap_or_default());
        words
            .map(|word| word.trim_end_matches(['.', ':']))
            .filter(|word| {
                let in_folder = FOLDERS.iter().any(|folder| word.starts_with(folder));
                let file = EXTENSIONS.iter().any(|extension| word.ends_with(extension));
                in_folder || at_root && file && !word.contains('/') && !word.starts_with('.')
            })
            .map(str::to_owned)
            .collect()
    }

    /// The links to other places in the repository: path and anchor.
    pub fn links(&self) -> Vec<(String, Option<String>)> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        // A regular expression is no link.
        targets
            .filter(|target| !target.contains(['*', '[']))
            .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            .map(|target| match target.split_once('#') {
                Some((path, anchor)) => (path.to_owned(), Some(anchor.to_owned())),
                None => (target.to_owned(), None),
            })
            .collect()
    }

    /// What a link can lead to in this page.
    pub fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let text = heading.trim_start_matches('#').trim().to_lowercase();
                text.chars()
                    .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
                    .map(|c| if c == ' ' { '-' } else { c })
                    .collect()
            })
            .collect()
    }
}
