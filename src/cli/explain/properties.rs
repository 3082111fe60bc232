//! The names that the JSON has for things, with what the schemas say of each; columns and lines have most of them too.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::Value;

use crate::cli::args::Document;
use crate::cli::generate::schema_text;

/// What stands for both of a kind, and says no more than its name.
const PAIRS: [[&str; 2]; 2] = [["a", "b"], ["client", "server"]];

/// What each name means, with the places that it has that meaning in.
type Meanings = BTreeMap<String, Vec<(String, Vec<String>)>>;

/// Every name with a paragraph for each of its meanings.
pub(super) fn properties() -> Vec<(String, String)> {
    let mut meanings = Meanings::new();
    for document in Document::value_variants() {
        let schema = serde_json::from_str(schema_text(*document)).unwrap_or_default();
        let place = match document {
            Document::Record => "report",
            Document::Compare => "compare",
            Document::Doctor => "doctor",
        };
        collect(&schema, place, &mut meanings);
    }
    let paragraph =
        |(text, places): (String, Vec<String>)| format!("{} ({})", text, places.join(", "));
    let paragraphs = |all: Vec<_>| all.into_iter().map(paragraph).collect::<Vec<_>>().join("\n\n");
    meanings.into_iter().map(|(name, all)| (name, paragraphs(all))).collect()
}

/// Adds the properties of an object, and of what is in them.
fn collect(schema: &Value, place: &str, meanings: &mut Meanings) {
    let named = |key: &str| schema.get(key).and_then(Value::as_object).into_iter().flatten();
    let is_pair = PAIRS.iter().any(|pair| named("properties").map(|(name, _)| name).eq(pair));
    for (name, property) in named("properties") {
        let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
        if !is_pair {
            add(name, text, format!("{place}.{name}"), meanings);
        }
        collect(property, name, meanings);
    }
    named("$defs").for_each(|(name, each)| collect(each, name, meanings));
    let lists = ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    lists.chain(schema.get("items")).for_each(|each| collect(each, place, meanings));
}

fn add(name: &str, text: &str, place: String, meanings: &mut Meanings) {
    let all = meanings.entry(name.to_owned()).or_default();
    match all.iter_mut().find(|(known, _)| known == text) {
        Some((_, places)) => places.push(place),
        None => all.push((text.to_owned(), vec![place])),
    }
}
