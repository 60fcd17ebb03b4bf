//! A real `ansible-playbook`, with a directory of its own instead of the tester's home.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::program::{Output, find, run};

const PACKAGE: &str = "ansible-core";

/// Inventories and playbooks of one test, and where Ansible keeps its temporary files.
pub(crate) struct Ansible(TempDir);

/// How a run of a playbook went.
pub(crate) struct Run(Output);

impl Ansible {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("srvctl-ansible-").unwrap())
    }

    /// Writes an inventory or a playbook; its path.
    pub(crate) fn write(&self, file: &str, text: &str) -> String {
        let path = self.0.path().join(file);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What is shipped for Ansible.
    pub(crate) fn shipped(file: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ansible").join(file);
        path.display().to_string()
    }

    /// Runs a playbook, which may fail.
    pub(crate) fn play(&self, arguments: &[&str]) -> Run {
        Run(self.run("ansible-playbook", arguments))
    }

    /// Runs one of Ansible's programs to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let home = self.0.path();
        let mut command = Command::new(find(program, PACKAGE));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANSIBLE_")) {
            command.env_remove(name);
        }
        command.current_dir(home).env("HOME", home).env("ANSIBLE_HOME", home.join("home"));
        command.env("ANSIBLE_LOCAL_TEMP", home.join("local")).env("ANSIBLE_REMOTE_TEMP", home.join("remote"));
        command.env("ANSIBLE_LIBRARY", Self::shipped("library")).env("ANSIBLE_ROLES_PATH", Self::shipped("roles"));
        for (name, value) in [
            ("ANSIBLE_FORKS", "20"),
            ("ANSIBLE_PIPELINING", "true"),
            ("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3"),
            ("ANSIBLE_LOCALHOST_WARNING", "false"),
            ("ANSIBLE_DEPRECATION_WARNINGS", "false"),
            ("ANSIBLE_NOCOLOR", "true"),
            ("ANSIBLE_RETRY_FILES_ENABLED", "false"),
            ("LC_ALL", "C.UTF-8"),
            // Otherwise a module leaves compiled files beside the shipped ones.
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ] {
            command.env(name, value);
        }
        run(command.args(arguments), "")
    }
}

impl Run {
    /// Everything that it printed.
    pub(crate) fn text(&self) -> String {
        let Output { stdout, stderr, .. } = &self.0;
        format!("{stdout}{stderr}")
    }

    /// Fails unless the playbook succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.0.code, 0, "the playbook failed\n{}", self.text());
        self
    }

    /// Fails unless the playbook failed.
    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert_ne!(self.0.code, 0, "the playbook succeeded\n{}", self.text());
        self
    }

    /// Fails unless each host reports so many changes.
    #[track_caller]
    pub(crate) fn changed(self, hosts: usize, changes: usize) -> Self {
        let recap = self.0.stdout.rsplit("PLAY RECAP").next().unwrap_or_default();
        let expected = format!("changed={changes}");
        let as_expected = |line: &&&str| line.split_whitespace().any(|word| word == expected);
        let lines: Vec<_> = recap.lines().filter(|line| line.contains("changed=")).collect();
        let count = lines.iter().filter(as_expected).count();
        assert_eq!((lines.len(), count), (hosts, hosts), "not changed={changes} on each\n{}", self.text());
        self
    }

    /// Fails unless all of this was printed.
    #[track_caller]
    pub(crate) fn says(self, what: &[&str]) -> Self {
        let text = self.text();
        for what in what {
            assert!(text.contains(what), "`{what}` is missing in\n{text}");
        }
        self
    }

    /// Fails when this was printed.
    #[track_caller]
    pub(crate) fn does_not_say(self, secret: &str) -> Self {
        let text = self.text();
        assert!(!text.contains(secret), "`{secret}` is in\n{text}");
        self
    }
}
