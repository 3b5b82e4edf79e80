//! Which buckets a client is to have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;

use super::checkpoint::{BucketState, CheckpointError, Client};
use super::line::Reason;
use super::request::Subscription;
use crate::sequencer::commit::BucketTotal;
use crate::streams::{NotJson, Operand, Request, RequestExpr, RowCondition, RowExpr, Step, Variant};

/// As many buckets, and as many results of lookups, as the official service gives to one connection.
const LIMIT: usize = 1000;

/// Finds a client's buckets.
pub(super) struct Search<'a> {
    pub client: &'a Client,
    pub connection: &'a mut PgConnection,
    /// What the lookups gave, by (index, input).
    pub results: HashMap<(usize, String), Vec<Vec<String>>>,
    pub buckets: BTreeMap<String, BucketState>,
    /// How many buckets each stream has brought.
    brought: BTreeMap<&'a str, usize>,
    /// How many results each stream has used.
    used: BTreeMap<&'a str, usize>,
}

/// The values that the steps gave, one way of combining them. A value is its text in the name of a bucket.
type Binding = Vec<Vec<String>>;

impl<'a> Search<'a> {
    pub fn new(client: &'a Client, connection: &'a mut PgConnection) -> Self {
        Self {
            client,
            connection,
            results: HashMap::new(),
            buckets: BTreeMap::new(),
            brought: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    pub async fn buckets(&mut self) -> Result<(), CheckpointError> {
        let client = self.client;
        for (position, index) in client.streams().into_iter().enumerate() {
            let stream = &client.active.streams.streams[index];
            if client.includes(stream.auto_subscribe) {
                self.subscribe(index, Reason::Default(position), None).await?;
            }
            let subscriptions = client.request.subscriptions().iter().enumerate();
            for (i, subscription) in
                subscriptions.filter(|(_, subscription)| subscription.stream == stream.name)
            {
                self.subscribe(index, Reason::Sub(i), Some(subscription)).await?;
            }
        }
        if self.buckets.len() > LIMIT {
            return Err(self.too_many_buckets());
        }
        Ok(())
    }

    async fn subscribe(
        &mut self,
        index: usize,
        reason: Reason,
        subscription: Option<&Subscription>,
    ) -> Result<(), CheckpointError> {
        let client = self.client;
        let stream = &client.active.streams.streams[index];
        let request = Request {
            auth: &client.user.claims,
            subscription: subscription.and_then(|subscription| subscription.parameters.as_ref()),
            connection: client.request.parameters.as_ref(),
        };
        let priority =
            subscription.and_then(|subscription| subscription.override_priority).unwrap_or(stream.priority);
        for variant in &stream.variants {
            let Some(source) = variant.sources.first() else { continue };
            let prefix = &client.active.streams.sources[*source].bucket;
            for key in self.keys(&stream.name, variant, &request).await? {
                let name = format!("{}#{prefix}{key}", client.active.version.version);
                let bucket = self.buckets.entry(name).or_insert_with(|| {
                    *self.brought.entry(&stream.name).or_default() += 1;
                    BucketState { total: BucketTotal::default(), priority, reasons: Vec::new() }
                });
                bucket.priority = bucket.priority.min(priority);
                if !bucket.reasons.contains(&reason) {
                    bucket.reasons.push(reason);
                }
            }
            if self.buckets.len() > MAX_BINDINGS {
                return Err(self.too_many_buckets());
            }
        }
        Ok(())
    }

    /// Every key that the request allows, as the JSON text that a bucket's name ends with.
    async fn keys(
        &mut self,
        stream: &'a str,
        variant: &Variant,
        request: &Request<'_>,
    ) -> Result<BTreeSet<String>, CheckpointError> {
        // A request whose values cannot be evaluated gets nothing.
        if !variant.conditions.iter().all(|condition| condition.holds(request).unwrap_or(false)) {
            return Ok(BTreeSet::new());
        }
        let mut bindings: BTreeSet<Binding> = BTreeSet::from([Vec::new()]);
        for (number, step) in variant.steps.iter().enumerate() {
            let needed = needed(variant, number);
            let mut longer = BTreeSet::new();
            for binding in &bindings {
                for row in self.rows(stream, step, binding, request).await? {
                    let mut binding = binding.clone();
                    binding.push(row);
                    if agree(variant, &binding, request) {
                        keep(&mut binding, &needed);
                        longer.insert(binding);
                    }
                }
                if longer.len() > MAX_BINDINGS {
                    return Err(self.too_many_results());
                }
            }
            bindings = longer;
        }
        Ok(bindings.iter().filter_map(|binding| key(&variant.keys, binding, request)).collect())
    }

    /// What a step gives for the values that the steps before it gave.
    async fn rows(
        &mut self,
        stream: &'a str,
        step: &Step,
        binding: &Binding,
        request: &Request<'_>,
    ) -> Result<Vec<Vec<String>>, CheckpointError> {
        let (lookup, inputs) = match step {
            Step::Lookup { lookup, inputs } => (*lookup, inputs),
            Step::Elements { array, filter, outputs } => {
                return Ok(elements(array, filter, outputs, request).unwrap_or_default());
            }
        };
        let Some(input) = key(inputs, binding, request) else { return Ok(Vec::new()) };
        let rows = self.look_up(lookup, input).await?;
        *self.used.entry(stream).or_default() += rows.len();
        if self.used.values().sum::<usize>() > LIMIT {
            return Err(self.too_many_results());
        }
        Ok(rows)
    }

    async fn look_up(&mut self, lookup: usize, input: String) -> Result<Vec<Vec<String>>, CheckpointError> {
        let key = (lookup, input);
        if let Some(known) = self.results.get(&key) {
            return Ok(known.clone());
        }
        let outputs: Vec<String> = sqlx::query_scalar(
            "SELECT output FROM sync_service.lookup_row WHERE version = $1 AND lookup = $2 AND input = $3 LIMIT $4",
        )
        .bind(self.client.active.version.version)
        .bind(i32::try_from(lookup).unwrap_or(i32::MAX))
        .bind(&key.1)
        .bind(i64::try_from(LIMIT + 1).unwrap_or(i64::MAX))
        .fetch_all(&mut *self.connection)
        .await?;
        let rows: Vec<Vec<String>> = outputs.iter().map(|output| values(output)).collect();
        self.results.insert(key, rows.clone());
        Ok(rows)
    }

    fn too_many_buckets(&self) -> CheckpointError {
        let what = format!("Too many buckets: {} (limit of {LIMIT})", self.buckets.len());
        CheckpointError::TooMany(with_breakdown(what, "Buckets", &self.brought))
    }

    fn too_many_results(&self) -> CheckpointError {
        let what = format!("Too many parameter query results (limit of {LIMIT})");
        CheckpointError::TooMany(with_breakdown(what, "Results", &self.used))
    }
}

/// More combinations on the way to the keys are not kept in memory.
const MAX_BINDINGS: usize = 10 * LIMIT;

/// The message with the streams that contribute most to it.
fn with_breakdown(mut message: String, what: &str, by_stream: &BTreeMap<&str, usize>) -> String {
    let mut streams: Vec<_> = by_stream.iter().collect();
    streams.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    message.push_str(&format!("\n{what} by stream:"));
    for (stream, count) in streams.iter().take(10) {
        message.push_str(&format!("\n  {stream}: {count}"));
    }
    message
}

/// The outputs of those elements of an array that pass the filter; none of which is null.
fn elements(
    array: &RequestExpr,
    filter: &[RowCondition],
    outputs: &[RowExpr],
    request: &Request<'_>,
) -> Result<Vec<Vec<String>>, NotJson> {
    let mut rows = Vec::new();
    for element in array.evaluate(request)?.elements()? {
        if filter.iter().try_fold(true, |all, condition| Ok(condition.holds(&element)? && all))? {
            let values = outputs.iter().map(|output| Ok(output.evaluate(&element)?.key()));
            rows.extend(values.collect::<Result<Option<Vec<String>>, NotJson>>()?);
        }
    }
    Ok(rows)
}

/// The values of a JSON array as they stand in it.
fn values(array: &str) -> Vec<String> {
    let values: Vec<&serde_json::value::RawValue> = serde_json::from_str(array).unwrap_or_default();
    values.into_iter().map(|value| value.get().to_owned()).collect()
}

/// The value of an operand; None when it is null or not known yet.
fn value(operand: &Operand, binding: &Binding, request: &Request<'_>) -> Option<String> {
    match operand {
        Operand::Request(expr) => expr.evaluate(request).ok()?.key(),
        Operand::Output { step, output } => binding.get(*step)?.get(*output).cloned(),
    }
}

/// The values of all operands as a JSON array; None when one is null or two do not agree.
fn key(operands: &[Vec<Operand>], binding: &Binding, request: &Request<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for operands in operands {
        let mut values = operands.iter().map(|operand| value(operand, binding, request));
        let first = values.next()??;
        if values.any(|value| value.as_ref() != Some(&first)) {
            return None;
        }
        parts.push(first);
    }
    Some(format!("[{}]", parts.join(",")))
}

/// Whether the values that are known so far can still be part of a key.
fn agree(variant: &Variant, binding: &Binding, request: &Request<'_>) -> bool {
    let known = |operand: &&Operand| match operand {
        Operand::Request(_) => true,
        Operand::Output { step, .. } => *step < binding.len(),
    };
    variant.keys.iter().all(|operands| {
        let mut values = operands.iter().filter(known).map(|operand| value(operand, binding, request));
        let first = values.next();
        values.all(|value| value.is_some() && Some(&value) == first.as_ref())
    })
}

/// The outputs up to a step that something behind it refers to.
fn needed(variant: &Variant, number: usize) -> BTreeSet<(usize, usize)> {
    let later = variant.steps.iter().skip(number + 1).filter_map(|step| match step {
        Step::Lookup { inputs, .. } => Some(inputs),
        Step::Elements { .. } => None,
    });
    let operands = later.chain([&variant.keys]).flatten().flatten();
    let outputs = operands.filter_map(|operand| match operand {
        Operand::Request(_) => None,
        Operand::Output { step, output } => Some((*step, *output)),
    });
    outputs.collect()
}

/// Forgets the values that nothing refers to any more, so that ways to the same key become one.
fn keep(binding: &mut Binding, needed: &BTreeSet<(usize, usize)>) {
    for (step, row) in binding.iter_mut().enumerate() {
        for (output, value) in row.iter_mut().enumerate() {
            if !needed.contains(&(step, output)) {
                value.clear();
            }
        }
    }
}
