//! What is deployed fits what is built: routes, keys, names, users and times in `deploy/`; and the binary serves as a
//! container has it, with nothing to write to but its data.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use frontdesk::config::deployment::DeploymentConfig;
use yaml_rust2::{Yaml, YamlLoader};

use crate::binary::{BINARY, Folder};
use crate::house::House;
use crate::kill::Gateway;

/// The user of the image.
const USER: u32 = 65532;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All YAML files.
fn yaml_files() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["deploy", "deploy/kubernetes"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            if name.ends_with(".yml") || name.ends_with(".yaml") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found
}

/// Every value under that key, however deep.
fn all<'y>(at: &'y Yaml, key: &str, found: &mut Vec<&'y Yaml>) {
    match at {
        Yaml::Hash(map) => {
            for (name, value) in map {
                if name.as_str() == Some(key) {
                    found.push(value);
                }
                all(value, key, found);
            }
        }
        Yaml::Array(list) => list.iter().for_each(|value| all(value, key, found)),
        _ => {}
    }
}

fn under<'y>(at: &'y Yaml, key: &str) -> Vec<&'y Yaml> {
    let mut found = Vec::new();
    all(at, key, &mut found);
    found
}

fn kubernetes(kind: &str) -> Vec<Yaml> {
    let files = yaml_files().into_iter().filter(|file| file.contains("kubernetes/"));
    let documents = files.flat_map(|file| yaml(&file));
    documents.filter(|document| document["kind"].as_str() == Some(kind)).collect()
}

fn texts(list: &Yaml) -> Vec<String> {
    list.as_vec().into_iter().flatten().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// The seconds of a constant in our sources.
fn seconds(file: &str, constant: &str) -> i64 {
    let text = read(file);
    let rest = text.split(&format!("const {constant}: Duration = Duration::from_secs(")).nth(1).expect("the constant");
    rest.split(')').next().expect("a number").parse().expect("a number")
}

/// How long a gateway may take from SIGTERM to its end.
fn longest_end() -> i64 {
    let last_batches = 2 * seconds("crates/frontdesk/src/spans/otlp.rs", "END_WITHIN");
    seconds("crates/frontdesk/src/serving.rs", "DRAIN") + seconds("crates/frontdesk/src/cli/serve.rs", "LAST_WORK") + last_batches
}

fn config(text: &str, of: &str) -> DeploymentConfig {
    DeploymentConfig::parse(of, text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The names below that folder that a configuration takes secrets from.
fn secrets_of(text: &str, folder: &str) -> BTreeSet<String> {
    text.split(&format!("\"file:{folder}/")).skip(1).map(|rest| rest.split('"').next().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn kubernetes_asks_routes_that_are_there_and_waits_long_enough() {
    let house = House::open().await;
    let deployments = kubernetes("Deployment");
    assert_eq!(deployments.len(), 1);
    let pod = &deployments[0]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let asked = container[probe]["httpGet"]["path"].as_str().expect("a path");
        assert_eq!((asked, container[probe]["httpGet"]["port"].as_str()), (path, Some("http")), "{probe}");
        let (status, ..) = house.send(Request::get(asked).body(Body::empty()).expect("a request")).await;
        assert_eq!(status, StatusCode::OK, "{asked}");
    }
    let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().expect("a number");
    let grace = pod["terminationGracePeriodSeconds"].as_i64().expect("a number");
    assert!(grace >= before + longest_end() + 10, "{grace} s are too few for {before} s and {} s", longest_end());
    let budget = &kubernetes("PodDisruptionBudget")[0]["spec"];
    assert!(
        deployments[0]["spec"]["replicas"].as_i64().expect("a number") > budget["maxUnavailable"].as_i64().expect("a number")
    );
    for selector in [budget, &deployments[0]["spec"]] {
        assert_eq!(selector["selector"]["matchLabels"]["app"], deployments[0]["spec"]["template"]["metadata"]["labels"]["app"]);
    }
    assert_eq!(kubernetes("Service")[0]["spec"]["selector"]["app"].as_str(), Some("frontdesk"));
}

#[test]
fn every_container_of_ours_is_nobody_and_can_write_nothing() {
    let mut pods = vec![kubernetes("Deployment")[0]["spec"]["template"]["spec"].clone()];
    pods.push(kubernetes("CronJob")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone());
    for pod in &pods {
        let as_whom = &pod["securityContext"];
        assert_eq!((as_whom["runAsNonRoot"].as_bool(), as_whom["runAsUser"].as_i64()), (Some(true), Some(i64::from(USER))));
        assert_eq!(as_whom["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"));
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
        for container in pod["containers"].as_vec().expect("containers") {
            let may = &container["securityContext"];
            assert_eq!(
                (may["readOnlyRootFilesystem"].as_bool(), may["allowPrivilegeEscalation"].as_bool()),
                (Some(true), Some(false))
            );
            assert_eq!(texts(&may["capabilities"]["drop"]), ["ALL"]);
            assert!(container["resources"]["limits"]["memory"].as_str().is_some());
        }
    }
    let compose = &yaml("deploy/compose.yml")[0];
    for (name, service) in compose["services"].as_hash().expect("services") {
        let name = name.as_str().expect("a name");
        let user = service["user"].as_str().unwrap_or_else(|| panic!("{name} says who it is"));
        let (user, group) = user.split_once(':').expect("user and group");
        assert!(user.parse::<u32>().is_ok_and(|user| user > 0) && group.parse::<u32>().is_ok_and(|group| group > 0), "{name}");
        assert_eq!((service["read_only"].as_bool(), texts(&service["cap_drop"])), (Some(true), vec!["ALL".to_owned()]), "{name}");
        assert!(service["healthcheck"]["test"].as_vec().is_some(), "{name}");
    }
    let image = read("deploy/Dockerfile");
    assert_eq!(image.lines().rfind(|line| line.starts_with("USER ")), Some(format!("USER {USER}:{USER}").as_str()));
    assert_eq!(compose["services"]["frontdesk"]["user"].as_str(), Some(format!("{USER}:{USER}").as_str()));
}

#[test]
fn what_is_configured_is_read_and_its_secrets_are_there() {
    let map = &kubernetes("ConfigMap")[0];
    let text = map["data"]["frontdesk.toml"].as_str().expect("a file");
    let config_map = config(text, "configmap.yaml");
    assert_eq!(config_map.server.listen.port(), 8080);
    let secret = &kubernetes("Secret")[0];
    let held: BTreeSet<String> =
        secret["stringData"].as_hash().expect("keys").keys().map(|key| key.as_str().expect("a name").to_owned()).collect();
    assert_eq!(secrets_of(text, "/run/secrets/frontdesk"), held);

    let compose = &yaml("deploy/compose.yml")[0];
    let text = read("deploy/compose.toml");
    config(&text, "compose.toml");
    let given: BTreeSet<String> = texts(&compose["services"]["frontdesk"]["secrets"]).into_iter().collect();
    assert_eq!(secrets_of(&text, "/run/secrets"), given);
    let defined = compose["secrets"].as_hash().expect("secrets");
    for (name, service) in compose["services"].as_hash().expect("services") {
        for secret in texts(&service["secrets"]) {
            assert!(defined.contains_key(&Yaml::String(secret.clone())), "{name:?}: {secret}");
        }
        let grace = service["stop_grace_period"].as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
        assert!(name.as_str() != Some("frontdesk") || grace.is_some_and(|grace: i64| grace >= longest_end() + 5));
    }

    let container = config(&read("deploy/container.toml"), "container.toml");
    assert!(container.server.listen.ip().is_unspecified(), "a container is reached from outside of it");
    assert_eq!(container.store.to_string(), "sqlite:/data/frontdesk.db");
    let unit = read("deploy/frontdesk.service");
    let stop: i64 =
        unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a limit").parse().expect("a number");
    assert!(stop >= longest_end() + 5);
}

#[test]
fn every_file_is_yaml_and_names_only_what_exists() {
    let files = yaml_files();
    assert!(files.len() >= 9, "the search finds the files: {files:?}");
    let listed = texts(&yaml("deploy/kubernetes/kustomization.yaml")[0]["resources"]);
    for file in &files {
        assert!(!yaml(file).is_empty(), "{file}");
        let name = file.rsplit('/').next().expect("a name");
        let is_apart = ["kustomization.yaml", "secret.example.yaml", "compose.yml"].contains(&name);
        assert_eq!(listed.iter().any(|resource| resource == name), !is_apart, "{file}");
    }
    // Names of the environment are ones that somebody reads.
    let mut sources = read("examples/frontdesk.toml") + &read("deploy/Dockerfile");
    for file in ["wiring.rs", "handover.rs", "config/deployment.rs", "telemetry.rs"] {
        sources += &read(&format!("crates/frontdesk/src/{file}"));
    }
    for file in &files {
        let text = read(file);
        for name in
            text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').filter(|name| name.starts_with("FRONTDESK_"))
        {
            assert!(sources.contains(name), "{file}: {name}");
        }
    }
    // Whatever is run is a command of ours with flags of its own.
    let folder = Folder::new();
    let mut commands: Vec<Vec<String>> = Vec::new();
    for file in files.iter().filter(|file| file.contains("kubernetes/")) {
        for document in yaml(file) {
            commands.extend(under(&document, "args").into_iter().map(texts));
        }
    }
    let test = texts(&yaml("deploy/compose.yml")[0]["services"]["frontdesk"]["healthcheck"]["test"]);
    assert_eq!(test[1], "/usr/local/bin/frontdesk");
    commands.push(test[2..].to_vec());
    let image = read("deploy/Dockerfile");
    for line in image.lines().filter_map(|line| line.trim().strip_prefix("CMD [")) {
        let words: Vec<String> = line.trim_end_matches(']').split(", ").map(|word| word.trim_matches('"').to_owned()).collect();
        commands.push(words.into_iter().filter(|word| word != "/usr/local/bin/frontdesk").collect());
    }
    let unit = read("deploy/frontdesk-backup.service");
    for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/frontdesk ")) {
        commands.push(line.split(' ').map(str::to_owned).collect());
    }
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let help = folder.run(&[command[0].as_str(), "--help"]);
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(help.contains(&format!("frontdesk {}", command[0])), "{command:?}: {help}");
        for flag in command.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag.as_str()), "{command:?}: {flag}");
        }
    }
}

#[test]
fn the_image_is_built_from_what_is_let_in() {
    let (image, ignored) = (read("deploy/Dockerfile"), read(".dockerignore"));
    let let_in: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for line in image.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from=")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        for source in &words[..words.len() - 1] {
            assert!(let_in.contains(source), "{source} is let in");
            assert!(root().join(source).exists(), "{source} is there");
        }
    }
    for needed in ["STOPSIGNAL SIGTERM", "HEALTHCHECK ", "--mount=type=cache", "--locked", "VOLUME /data"] {
        assert!(image.contains(needed), "{needed}");
    }
    let rust = read("Cargo.toml");
    let version = rust.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("a version").trim_matches('"');
    assert!(image.contains(&format!("FROM rust:{version}-slim")), "the compiler is the workspace's");
}

/// As the image has it: nobody in particular, no home, no environment, and a folder that only root may write to
/// around the one for data.
#[test]
fn as_in_a_container_it_serves_and_stops_with_nothing_to_write_to_but_its_data() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let config = folder.write(
        "frontdesk.toml",
        &read("deploy/container.toml").replace("0.0.0.0:8080", "127.0.0.1:0").replace("/data", data.to_str().expect("a path")),
    );
    // The binary is where that user may come.
    let binary = folder.path().join("frontdesk");
    std::fs::copy(BINARY, &binary).expect("copied");
    let is_root = std::fs::metadata("/proc/self").map(|it| std::os::unix::fs::MetadataExt::uid(&it)).expect("a process") == 0;
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    if is_root {
        chown(&data, Some(USER), Some(USER)).expect("given away");
    }
    mode(&data, 0o700);
    mode(&config, 0o444);
    mode(folder.path(), 0o555);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(arguments).arg("--config").arg(&config).current_dir(&data).env_clear().stdin(Stdio::null());
        if is_root {
            command.uid(USER).gid(USER);
        }
        command
    };
    let mut gateway = Gateway::from(&mut command(&["serve"]));
    let port = gateway.url.rsplit(':').next().expect("a port").to_owned();
    // The probe of the image, told the port that was free.
    mode(folder.path(), 0o755);
    let probed =
        folder.write("probe.toml", &std::fs::read_to_string(&config).expect("text").replace(":0\"", &format!(":{port}\"")));
    mode(folder.path(), 0o555);
    let probe = |file: &Path| {
        let mut command = Command::new(&binary);
        command.args(["health", "--probe", "--config"]).arg(file).env_clear().current_dir(&data);
        command.output().expect("it runs")
    };
    let answer = probe(&probed);
    assert_eq!((answer.status.code(), &answer.stdout[..]), (Some(0), &b"ready\n"[..]));
    let backup = command(&["backup", "--to", "."]).output().expect("it runs");
    assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));

    #[expect(clippy::disallowed_methods, reason = "how long a real process takes to end")]
    let began = std::time::Instant::now();
    let asked = Command::new("kill").args(["-TERM", &gateway.id().to_string()]).status().expect("kill is there");
    assert!(asked.success() && gateway.ended(), "it ends well");
    assert!(began.elapsed() < Duration::from_secs(longest_end().unsigned_abs()), "{:?}", began.elapsed());
    assert_eq!(probe(&probed).status.code(), Some(1), "nobody answers any more");

    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    mode(folder.path(), 0o755);
    assert_eq!(names, ["data", "frontdesk", "frontdesk.toml", "probe.toml"], "it wrote nothing beside its data");
    assert!(data.join("frontdesk.db").exists() && data.join("master.key").exists());
}
