-- What rows are evaluated with: SQLite's values and operators as the PowerSync Service has them (streams/value.rs does the same for
-- requests). A value is jsonb: a string, or a number that is an integer when it has no fraction digits (5) and a real when it has
-- some (5.0), or null.

-- A real from its text. Infinity is a number that is greater than all others.
CREATE OR REPLACE FUNCTION sync_service.real(number text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE number
    WHEN 'NaN' THEN NULL
    WHEN 'Infinity' THEN to_jsonb(1e400 + 0.0)
    WHEN '-Infinity' THEN to_jsonb(-1e400 + 0.0)
    ELSE to_jsonb(number::numeric + 0.0)
END;

-- The elements of an array, which are JSON already, in as many dimensions as the array has.
CREATE OR REPLACE FUNCTION sync_service.array_json(source anyarray, elements text[]) RETURNS json LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF source IS NULL THEN
        RETURN NULL;
    END IF;
    FOR dimension IN REVERSE coalesce(array_ndims(source), 1) .. 2 LOOP
        elements := ARRAY(
            SELECT '[' || string_agg(element, ',' ORDER BY position) || ']'
            FROM unnest(elements) WITH ORDINALITY u (element, position)
            GROUP BY (position - 1) / array_length(source, dimension)
            ORDER BY (position - 1) / array_length(source, dimension)
        );
    END LOOP;
    RETURN ('[' || array_to_string(elements, ',') || ']')::json;
END $$;

-- A number that was written down: a real when it is not whole. Too great ones are infinity, too small ones 0.
CREATE OR REPLACE FUNCTION sync_service.number(written text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN written ~ '^[+-]?[0-9]+$' THEN to_jsonb(written::numeric)
    WHEN abs(written::numeric) >= 1.797693134862315808e308 THEN to_jsonb(sign(written::numeric) * 1e400 + 0.0)
    WHEN abs(written::numeric) < 2.4703282292062328e-324 THEN to_jsonb(0.0)
    ELSE sync_service.real(written::float8::text)
END;

-- A number as JavaScript writes it.
CREATE OR REPLACE FUNCTION sync_service.number_text(number numeric) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN scale(number) = 0 OR number = 0 THEN trunc(number)::text
    WHEN abs(number) >= 1e309 THEN CASE WHEN number > 0 THEN 'Infinity' ELSE '-Infinity' END
    WHEN abs(number) < 0.000001 OR abs(number) >= 1e21 THEN regexp_replace(number::float8::text, 'e([+-])0', 'e\1')
    ELSE trim_scale(number)::text
END;

-- A real in a row, with a fraction, so that it stays a real. JSON has no NaN, and what is too great for a double is infinity to SQLite.
CREATE OR REPLACE FUNCTION sync_service.real_json(number text) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN number = 'NaN' THEN NULL
    WHEN number = 'Infinity' THEN json '9e999'
    WHEN number = '-Infinity' THEN json '-9e999'
    WHEN number = '-0' THEN json '0.0'
    WHEN number LIKE '%.%' AND number NOT LIKE '%e%' THEN number::json
    ELSE regexp_replace(sync_service.number_text(number::numeric + 0.0), '^-?[0-9]+$', '\&.0')::json
END;

-- The value as it stands in the name of a bucket.
CREATE OR REPLACE FUNCTION sync_service.key(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) = 'string' THEN value::text
    WHEN abs((value #>> '{}')::numeric) >= 1e309 AND scale((value #>> '{}')::numeric) > 0 THEN NULL
    ELSE trim_scale((value #>> '{}')::numeric)::text
END;

-- Less than, equal to or greater than 0. Numbers come before texts.
CREATE OR REPLACE FUNCTION sync_service.compare(a jsonb, b jsonb) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN a IS NULL OR b IS NULL THEN NULL
    WHEN a = b THEN 0
    WHEN jsonb_typeof(a) <> jsonb_typeof(b) THEN CASE jsonb_typeof(a) WHEN 'number' THEN -1 ELSE 1 END
    WHEN jsonb_typeof(a) = 'number' THEN CASE WHEN a < b THEN -1 ELSE 1 END
    WHEN (a #>> '{}') COLLATE "C" < (b #>> '{}') COLLATE "C" THEN -1
    ELSE 1
END;

-- Whether a condition that consists of the value holds. Of a text it is the number that it begins with.
CREATE OR REPLACE FUNCTION sync_service.is_true(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN value <> '0'
    WHEN 'string' THEN (value #>> '{}') ~ '^\s*[+-]?(0[xX]0*[1-9a-fA-F]|0*[1-9])'
    ELSE false
END;

CREATE OR REPLACE FUNCTION sync_service.cast_text(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN to_jsonb(sync_service.number_text((value #>> '{}')::numeric))
    ELSE value
END;

-- A number of more than 255 digits is cut off: regular expressions of Postgres count no further.
CREATE OR REPLACE FUNCTION sync_service.cast_integer(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN to_jsonb(coalesce(substring(value #>> '{}', '^\s*([+-]?[0-9]{1,255})')::numeric, 0))
    ELSE to_jsonb(floor((value #>> '{}')::numeric))
END;

CREATE OR REPLACE FUNCTION sync_service.cast_numeric(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN coalesce(
        sync_service.number(substring(value #>> '{}', '^\s*([+-]?(?:[0-9]{1,255}(?:\.[0-9]{0,255})?|\.[0-9]{1,255})(?:[eE][+-]?[0-9]{1,3})?)')),
        to_jsonb(0))
    ELSE value
END;

CREATE OR REPLACE FUNCTION sync_service.cast_real(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value #>> '{}' ~ '^\s*[+-]?Infinity' THEN sync_service.real(CASE WHEN value #>> '{}' ~ '^\s*-' THEN '-Infinity' ELSE 'Infinity' END)
    ELSE to_jsonb((sync_service.cast_numeric(value) #>> '{}')::numeric + 0.0)
END;

-- Whether a document is JSON. The PowerSync Service does not sync a row of whose documents one that is looked into is not.
CREATE OR REPLACE FUNCTION sync_service.is_json(document jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (document #>> '{}')::json IS NOT NULL OR document IS NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;

-- JSON without white space. JavaScript puts the keys of an object that are numbers first.
CREATE OR REPLACE FUNCTION sync_service.compact(document json) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    number text;
BEGIN
    CASE json_typeof(document)
        WHEN 'object' THEN
            RETURN (
                SELECT '{' || coalesce(string_agg(to_json(key)::text || ':' || sync_service.compact(value), ',' ORDER BY
                    CASE WHEN key ~ '^(0|[1-9][0-9]{0,9})$' THEN key::bigint END NULLS LAST, position), '') || '}'
                FROM json_each(document) WITH ORDINALITY u (key, value, position));
        WHEN 'array' THEN
            RETURN (
                SELECT '[' || coalesce(string_agg(sync_service.compact(value), ',' ORDER BY position), '') || ']'
                FROM json_array_elements(document) WITH ORDINALITY u (value, position));
        WHEN 'string' THEN
            RETURN to_json(document #>> '{}')::text;
        WHEN 'number' THEN
            number := sync_service.number_text((sync_service.number(document::text) #>> '{}')::numeric);
            RETURN CASE WHEN document::text !~ '^-?[0-9]+$' AND number ~ '^-?[0-9]+$' THEN number || '.0' ELSE number END;
        ELSE
            RETURN document::text;
    END CASE;
END $$;

-- `document -> path` (as JSON) or `document ->> path`; null when the document is not JSON.
CREATE OR REPLACE FUNCTION sync_service.json_get(document jsonb, path text[], as_json boolean) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value json;
    step text;
BEGIN
    value := sync_service.cast_text(document) #>> '{}';
    IF json_typeof(value) = 'null' THEN
        RETURN NULL;
    END IF;
    FOREACH step IN ARRAY path LOOP
        EXIT WHEN value IS NULL OR json_typeof(value) = 'null';
        value := CASE json_typeof(value)
            WHEN 'object' THEN value -> step
            WHEN 'array' THEN CASE WHEN step ~ '^(0|[1-9][0-9]{0,8})$' THEN value -> step::int END
        END;
    END LOOP;
    RETURN CASE
        WHEN as_json OR json_typeof(value) IN ('object', 'array') THEN to_jsonb(sync_service.compact(value))
        WHEN json_typeof(value) = 'string' THEN to_jsonb(value #>> '{}')
        WHEN json_typeof(value) = 'number' THEN sync_service.number(value::text)
        WHEN json_typeof(value) = 'boolean' THEN to_jsonb((value::text = 'true')::int)
    END;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;
