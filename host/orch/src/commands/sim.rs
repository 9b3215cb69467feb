//! `orch sim nodes`: the arguments of the simulation, and its life until Ctrl-C.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use orch_sim::{Access, Options, Shape, Simulation};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::SimNodes;

pub async fn nodes(kubeconfig: &Path, arguments: &SimNodes) -> anyhow::Result<()> {
    let options = options(arguments)?;
    let mut access =
        Access::read(kubeconfig).context("is `orch up` running? (--kubeconfig names another kubeconfig)")?;
    if let Some(server) = &arguments.server {
        access.server = server.trim_end_matches('/').into();
    }
    let connection = orch_sim::Connection::new(&access)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let count = options.count;
    let begin = Instant::now();
    let simulation = tokio::select! {
        started = Simulation::start(connection.clone(), options.clone()) => started?,
        _ = interrupt.recv() => bail!("stopped while nodes were registered; `kubectl delete nodes -l {}=true` removes them", orch_sim::LABEL),
        _ = terminate.recv() => bail!("stopped while nodes were registered; `kubectl delete nodes -l {}=true` removes them", orch_sim::LABEL),
    };
    println!("{count} nodes registered in {:.1} s; Ctrl-C ends them", begin.elapsed().as_secs_f64());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let done = simulation.progress();
    println!("{} pods started, {} ended", done.started, done.finished);
    if arguments.keep {
        println!("{count} nodes are left; nobody keeps them alive now");
        return Ok(());
    }
    tokio::select! {
        removed = simulation.remove() => removed?,
        _ = interrupt.recv() => bail!("not all nodes are removed; `kubectl delete nodes -l {}=true` removes them", orch_sim::LABEL),
    }
    println!("{count} nodes removed");
    Ok(())
}

fn options(arguments: &SimNodes) -> anyhow::Result<Options> {
    for (flag, value) in [("--cpu", &arguments.cpu), ("--memory", &arguments.memory)] {
        if value.parse::<orch_object::quantity::Quantity>().is_err() {
            bail!("{flag} {value}: write it as a Kubernetes quantity, e.g. 4, 500m or 32Gi");
        }
    }
    let mut options = Options::new(arguments.count as usize);
    options.renew = Duration::from_secs(arguments.renew_seconds);
    options.shape = Shape {
        name_prefix: arguments.name_prefix.clone(),
        cpu: arguments.cpu.clone(),
        memory: arguments.memory.clone(),
        pods: arguments.pods,
        zones: orch_sim::zones(arguments.zones),
        labels: labels(&arguments.label)?,
    };
    if !orch_object::names::is_dns1123_subdomain(&options.shape.name(options.count)) {
        bail!(
            "--name-prefix {}: a node's name is lower-case letters, digits, `-` and `.`, beginning with a letter or digit",
            arguments.name_prefix
        );
    }
    Ok(options)
}

fn labels(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    given
        .iter()
        .map(|label| match label.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
            _ => bail!("--label {label}: write it as KEY=VALUE"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, ClientCommand, Command, SimCommand};

    fn parsed(words: &str) -> Result<Options, String> {
        let words = format!("orch sim nodes {words}");
        let arguments = Arguments::try_parse_from(words.split(' ')).map_err(|e| e.to_string())?;
        let Command::Client(ClientCommand::Sim { command: SimCommand::Nodes(nodes), .. }) = arguments.command
        else {
            panic!("another command")
        };
        options(&nodes).map_err(|e| e.to_string())
    }

    #[test]
    fn arguments_become_a_shape() {
        let options =
            parsed("7 --cpu 8 --zones 0 --label disk=ssd --label empty= --name-prefix big").unwrap();
        assert_eq!(options.count, 7);
        assert_eq!((options.shape.cpu.as_str(), options.shape.memory.as_str()), ("8", "32Gi"));
        assert!(options.shape.zones.is_empty());
        assert_eq!(options.shape.labels["disk"], "ssd");
        assert_eq!(options.shape.labels["empty"], "");
        assert_eq!(options.shape.name(3), "big-3");
    }

    #[test]
    fn bad_input_names_the_flag_and_the_remedy() {
        for (words, told) in [
            ("1 --cpu four", "--cpu four: write it as a Kubernetes quantity"),
            ("1 --label x", "--label x: write it as KEY=VALUE"),
            ("1 --name-prefix Big", "--name-prefix Big: a node's name is lower-case"),
            ("0", "1..=60000"),
            ("5 --renew-seconds 60", "1..=35"),
        ] {
            let error = parsed(words).unwrap_err();
            assert!(error.contains(told), "{words}: {error}");
        }
    }
}
