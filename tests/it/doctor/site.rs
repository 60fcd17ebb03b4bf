//! What an examination finds.

use serde_json::Value;

use crate::support::{Named, Settings, Workspace, strings};

/// The findings of one run.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) code: i32,
    all: Vec<Value>,
}

impl Findings {
    /// Runs `srvctl doctor --json` with these arguments.
    pub(crate) fn of(workspace: &Workspace, arguments: &[&str]) -> Self {
        let output = workspace.run(&[&["doctor", "--json"], arguments].concat());
        let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let all = report["findings"].as_array().unwrap().clone();
        let expected = match report["worst"].as_str().unwrap() {
            "error" => 1,
            "warning" => 3,
            _ => 0,
        };
        assert_eq!(output.code, expected, "{report}");
        Self { code: output.code, all }
    }

    /// The findings with this code and severity.
    pub(crate) fn with(&self, code: &str, severity: &str) -> Vec<&Value> {
        self.all.iter().filter(|finding| finding["code"] == code && finding["severity"] == severity).collect()
    }

    /// The only finding with this code, which must have this severity, and whose subject, problem, evidence and remedy
    /// must have these words in them.
    #[track_caller]
    pub(crate) fn only(&self, code: &str, severity: &str, words: &[&str]) -> &Value {
        let of_code: Vec<_> = self.all.iter().filter(|finding| finding["code"] == code).collect();
        let [one] = of_code[..] else { panic!("not one finding {code}: {:#?}", self.all) };
        assert_eq!(one["severity"], severity, "{one:#}");
        has(one, words);
        one
    }

    /// A finding with these words.
    #[track_caller]
    pub(crate) fn one(&self, code: &str, severity: &str, words: &[&str]) -> &Value {
        let matching = |finding: &&&Value| words.iter().all(|word| finding.to_string().contains(word));
        let found = self.with(code, severity);
        found.iter().find(matching).unwrap_or_else(|| panic!("no {severity} {code} with {words:?}: {:#?}", self.all))
    }

    /// A finding with these words, however bad.
    #[track_caller]
    pub(crate) fn any(&self, code: &str, words: &[&str]) {
        let matching = |finding: &Value| words.iter().all(|word| finding.to_string().contains(word));
        let found = self.all.iter().any(|finding| finding["code"] == code && matching(finding));
        assert!(found, "no {code} with {words:?}: {:#?}", self.all);
    }

    /// Every finding worse than ok, by code and severity.
    pub(crate) fn bad(&self) -> Vec<(&str, &str)> {
        let pairs =
            self.all.iter().map(|finding| (finding["code"].as_str().unwrap(), finding["severity"].as_str().unwrap()));
        pairs.filter(|(_, severity)| *severity != "ok").collect()
    }

    /// Whether a code was examined at all.
    pub(crate) fn has(&self, code: &str) -> bool {
        self.all.iter().any(|finding| finding["code"] == code)
    }
}

#[track_caller]
fn has(finding: &Value, words: &[&str]) {
    let text = finding.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {finding:#}");
}

pub(crate) fn remedy(finding: &Value) -> &str {
    finding["remedy"].as_str().unwrap_or_else(|| panic!("no remedy: {finding}"))
}

/// What stands between backticks, piece by piece.
pub(crate) fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

pub(crate) fn evidence(finding: &Value) -> String {
    strings(&finding["evidence"]).join("\n")
}

/// A configuration with more lines in the zone's table.
pub(crate) fn with_lines(named: &Named, lines: &str) -> Workspace {
    Workspace::with(&Settings { more: lines.to_owned(), ..Settings::for_server(named) })
}

/// The zone holds nothing of an examination any more.
#[track_caller]
pub(crate) fn assert_gone(named: &Named) {
    let left: Vec<_> = named.zone_text().into_iter().filter(|line| line.contains("doctor")).collect();
    assert_eq!(left, Vec::<String>::new());
}
