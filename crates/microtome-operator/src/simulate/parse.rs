//! From YAML to a checked scenario. Unknown fields are refused, and so are names that nothing has.

use std::collections::BTreeMap;

use microtome_queue::{JobLimits, Node, PodGroup, Pool, Reclaim, Settings, Team};
use serde_yaml::Value;

use super::field::{Error, Field, Fields};
use super::scenario::{Event, NamedTeam, Scenario, Submit, What};

/// Seconds and counts that a double holds exactly; later is a mistake.
const MOST: i64 = 1 << 53;
/// So many nodes a pool may have; each is looked at.
const MOST_NODES: i64 = 100_000;
/// The defaults of the chart.
const HALF_LIFE_SECONDS: u64 = 604_800;
const MIN_RUNTIME_SECONDS: u64 = 3_600;

/// Reads a scenario.
pub(crate) fn parse(text: &str) -> Result<Scenario, Error> {
    let value: Value = serde_yaml::from_str(text)
        .map_err(|error| Error { path: "scenario".to_owned(), problem: error.to_string() })?;
    let fields = Field::root(&value).object(&["halfLifeSeconds", "reclaim", "nodes", "pools", "teams", "events"])?;
    let half_life = fields.optional("halfLifeSeconds").map(|field| field.count(1..=MOST)).transpose()?;
    let reclaim = fields.optional("reclaim").map(|field| reclaim(&field)).transpose()?.flatten();
    let nodes = named(fields.optional("nodes"), node, |node| &node.name)?;
    let pools = named(fields.optional("pools"), pool, |pool| &pool.name)?;
    let teams = named(fields.optional("teams"), team, |team| &team.name)?;
    let listed = fields.optional("events").map(|field| field.list()).transpose()?.unwrap_or_default();
    let mut events = listed.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    check_names(&listed, &events, &nodes)?;
    events.sort_by_key(|event| event.at);
    Ok(Scenario {
        half_life_seconds: half_life.unwrap_or(HALF_LIFE_SECONDS),
        settings: Settings { reclaim },
        nodes,
        pools,
        teams,
        events,
    })
}

fn reclaim(field: &Field<'_>) -> Result<Option<Reclaim>, Error> {
    let fields = field.object(&["enabled", "minRuntimeSeconds"])?;
    let enabled = fields.optional("enabled").map(|field| field.truth()).transpose()?.unwrap_or(false);
    let least = fields.optional("minRuntimeSeconds").map(|field| field.count(0..=MOST)).transpose()?;
    Ok(enabled.then_some(Reclaim { min_runtime_seconds: least.unwrap_or(MIN_RUNTIME_SECONDS) }))
}

/// A list of things whose names differ.
fn named<'a, T>(
    list: Option<Field<'a>>,
    read: impl Fn(&Field<'a>) -> Result<T, Error>,
    name: impl Fn(&T) -> &String,
) -> Result<Vec<T>, Error> {
    let mut all: Vec<T> = Vec::new();
    for field in list.map(|list| list.list()).transpose()?.unwrap_or_default() {
        let one = read(&field)?;
        if let Some(i) = all.iter().position(|other| name(other) == name(&one)) {
            return field.error(format!("the name {} is that of element {i}", name(&one)));
        }
        all.push(one);
    }
    Ok(all)
}

fn node(field: &Field<'_>) -> Result<Node, Error> {
    let fields = field.object(&["name", "allocatable"])?;
    let (name, allocatable) = (place_name(&fields)?, fields.required("allocatable")?.amounts()?);
    Ok(Node { name, allocatable, ..Node::default() })
}

fn pool(field: &Field<'_>) -> Result<Pool, Error> {
    let fields = field.object(&["name", "node", "maxNodes"])?;
    let (node, max_nodes) = (fields.required("node")?.amounts()?, fields.required("maxNodes")?);
    Ok(Pool { name: place_name(&fields)?, node, max_nodes: max_nodes.count(0..=MOST_NODES)? })
}

/// The name of a node or pool. `POOL#NUMBER` is how new nodes are called.
fn place_name(fields: &Fields<'_>) -> Result<String, Error> {
    let field = fields.required("name")?;
    let name = field.text()?;
    if name.contains('#') { field.error("must not contain #") } else { Ok(name) }
}

fn team(field: &Field<'_>) -> Result<NamedTeam, Error> {
    let fields = field.object(&["name", "spec"])?;
    let name = fields.required("name")?.text()?;
    let (mut team, mut namespaces) = (Team::default(), Vec::new());
    if let Some(spec) = fields.optional("spec") {
        let known = ["parentName", "namespaces", "profiles", "weight", "guarantee", "max", "jobLimits"];
        let spec = spec.object(&known)?;
        let amounts = |name| spec.optional(name).map(|field| field.amounts()).transpose();
        let texts = |name| spec.optional(name).map(|field| field.texts()).transpose();
        team.parent = spec.optional("parentName").map(|field| field.text()).transpose()?;
        team.weight = spec.optional("weight").map(|field| field.count(0..=i64::MAX)).transpose()?.unwrap_or(1);
        (team.guarantee, team.max) = (amounts("guarantee")?.unwrap_or_default(), amounts("max")?.unwrap_or_default());
        team.limits = spec.optional("jobLimits").map(|field| limits(&field)).transpose()?.unwrap_or_default();
        namespaces = texts("namespaces")?.unwrap_or_default();
        texts("profiles")?;
    }
    Ok(NamedTeam { name, namespaces, team })
}

fn limits(field: &Field<'_>) -> Result<JobLimits, Error> {
    let fields = field.object(&["maxRunning", "maxQueued", "maxActiveDeadlineSeconds"])?;
    let limit = |name| fields.optional(name).map(|field| field.count(0..=MOST)).transpose();
    Ok(JobLimits {
        max_running: limit("maxRunning")?,
        max_queued: limit("maxQueued")?,
        max_deadline_seconds: limit("maxActiveDeadlineSeconds")?,
    })
}

fn event(field: &Field<'_>) -> Result<Event, Error> {
    let kinds = ["submit", "cancel", "nodeDown", "nodeUp", "team"];
    let fields = field.object(&["at", "submit", "cancel", "nodeDown", "nodeUp", "team"])?;
    let at = fields.required("at")?.integer(0..=MOST)?;
    let there: Vec<(&str, Field<'_>)> =
        kinds.into_iter().filter_map(|kind| Some((kind, fields.optional(kind)?))).collect();
    let [(kind, what)] = there.as_slice() else {
        return field.error(format!("has to be one of {}", kinds.join(", ")));
    };
    let what = match *kind {
        "submit" => What::Submit(submit(what)?),
        "cancel" => What::Cancel(what.text()?),
        "nodeDown" => What::NodeDown(what.text()?),
        "nodeUp" => What::NodeUp(what.text()?),
        _ => What::Team(team(what)?),
    };
    Ok(Event { at, what })
}

fn submit(field: &Field<'_>) -> Result<Submit, Error> {
    let fields = field.object(&["name", "team", "pods", "deadlineSeconds", "runtimeSeconds", "priority"])?;
    let pods = fields.required("pods")?;
    let groups = pods.list()?.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    if groups.iter().all(|group| group.count == 0) {
        return pods.error("has no pod");
    }
    let deadline_seconds = fields.required("deadlineSeconds")?.count(1..=MOST)?;
    let runtime = fields.optional("runtimeSeconds").map(|field| field.count(0..=MOST)).transpose()?;
    let priority = fields.optional("priority").map(|field| field.integer(i64::MIN..=i64::MAX)).transpose()?;
    Ok(Submit {
        name: fields.required("name")?.text()?,
        team: fields.required("team")?.text()?,
        pods: groups,
        deadline_seconds,
        runtime_seconds: runtime.unwrap_or(deadline_seconds),
        priority: priority.unwrap_or(0),
    })
}

fn group(field: &Field<'_>) -> Result<PodGroup, Error> {
    let fields = field.object(&["count", "requests"])?;
    let count = fields.optional("count").map(|field| field.count(0..=1_000_000_000)).transpose()?.unwrap_or(1);
    let requests = fields.optional("requests").map(|field| field.amounts()).transpose()?.unwrap_or_default();
    Ok(PodGroup { count, requests, pools: Vec::new() })
}

/// Jobs are submitted once; what is cancelled is some job, and what goes down some node.
fn check_names(fields: &[Field<'_>], events: &[Event], nodes: &[Node]) -> Result<(), Error> {
    let mut jobs: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, event) in events.iter().enumerate() {
        if let What::Submit(submit) = &event.what
            && let Some(first) = jobs.insert(&submit.name, i)
        {
            let name = fields[i].object_field("submit")?.object_field("name")?;
            return name.error(format!("{} is the name of events[{first}] already", submit.name));
        }
    }
    for (field, event) in fields.iter().zip(events) {
        let is_node = |name: &String| nodes.iter().any(|node| node.name == *name);
        match &event.what {
            What::Cancel(name) if !jobs.contains_key(name.as_str()) => {
                return field.object_field("cancel")?.error(format!("no job {name} is submitted"));
            }
            What::NodeDown(name) if !is_node(name) => {
                return field.object_field("nodeDown")?.error(format!("no node {name}"));
            }
            What::NodeUp(name) if !is_node(name) => {
                return field.object_field("nodeUp")?.error(format!("no node {name}"));
            }
            _ => {}
        }
    }
    Ok(())
}
