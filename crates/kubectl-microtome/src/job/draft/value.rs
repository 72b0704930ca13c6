//! Fields of an object that is not typed yet.

use serde_json::{Map, Value, json};

/// A field that is an object, made where it is not there.
pub(super) fn at<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    if !object[field].is_object() {
        object[field] = Value::Object(Map::new());
    }
    &mut object[field]
}

/// A field that is a list, made where it is not there.
pub(super) fn list<'a>(object: &'a mut Value, field: &str) -> &'a mut Vec<Value> {
    if !object[field].is_array() {
        object[field] = json!([]);
    }
    object[field].as_array_mut().expect("it was made one just now")
}

/// Writes a value, if there is one.
pub(super) fn set<T: Into<Value>>(object: &mut Value, path: &[&str], value: Option<T>) {
    let (Some(value), Some((last, above))) = (value, path.split_last()) else { return };
    let place = above.iter().fold(object, |place, field| at(place, field));
    place[*last] = value.into();
}

/// Takes a field out.
pub(super) fn remove(object: &mut Value, field: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(field);
    }
}
