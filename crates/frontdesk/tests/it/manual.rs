//! What shells complete and the manual has: every command, whatever is added.

use std::process::Command;

use crate::binary::Folder;

fn said(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The commands below `path`, by what the help lists.
fn verbs(folder: &Folder, path: &[&str]) -> Vec<String> {
    let help = said(folder, &[path, &["--help"]].concat());
    let Some(list) = help.split_once("\nCommands:\n").map(|(_, list)| list) else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    // A line that goes on is further in.
    let names =
        lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_is_completed_and_has_a_page() {
    let folder = Folder::new();
    let first = verbs(&folder, &[]);
    for verb in ["serve", "backup", "restore", "tenant", "health", "completions", "man"] {
        assert!(first.iter().any(|name| name == verb), "{verb}: {first:?}");
    }
    let man = said(&folder, &["man"]);
    said(&folder, &["man", "--out", "pages"]);
    let scripts = ["bash", "zsh", "fish"].map(|shell| said(&folder, &["completions", shell]));
    for verb in &first {
        assert!(man.contains(&format!("frontdesk\\-{verb}(1)")), "{verb} is in the page");
        assert!(folder.path().join(format!("pages/frontdesk-{verb}.1")).exists(), "{verb} has a page");
        for script in &scripts {
            assert!(script.contains(verb.as_str()), "{verb} is completed");
        }
        for under in verbs(&folder, &[verb]) {
            assert!(folder.path().join(format!("pages/frontdesk-{verb}-{under}.1")).exists(), "{verb} {under} has a page");
            assert!(scripts.iter().all(|script| script.contains(under.as_str())), "{verb} {under} is completed");
        }
    }
}

#[test]
fn bash_takes_the_script_and_completes_by_it() {
    let folder = Folder::new();
    let script = folder.write("frontdesk.bash", &said(&folder, &["completions", "bash"]));
    let asked =
        "source \"$0\"; COMP_WORDS=(frontdesk ba); COMP_CWORD=1; _frontdesk frontdesk ba frontdesk; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", asked]).arg(script).output().expect("bash is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "backup", "{}", String::from_utf8_lossy(&output.stderr));
}
