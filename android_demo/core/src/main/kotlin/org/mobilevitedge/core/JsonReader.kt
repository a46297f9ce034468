package org.mobilevitedge.core

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/**
 * Typed reading of JSON that strangers wrote: whatever is missing or of another type is a
 * [BundleException] that names the place.
 *
 * The parser is Android's own. On the JVM the same classes come from a library.
 */
internal class JsonReader private constructor(private val json: JSONObject, private val path: String) {

    fun child(key: String): JsonReader = JsonReader(required(key, JSONObject::class.java), at(key))

    fun text(key: String): String = required(key, String::class.java)

    /** A text of so many characters. */
    fun text(key: String, lengths: IntRange): String {
        val value = text(key)
        // Java counts in UTF-16; the definition of a manifest in characters.
        if (value.codePointCount(0, value.length) !in lengths) {
            fail(key, "has not ${lengths.first} to ${lengths.last} characters")
        }
        return value
    }

    /** Whether it is there, and not null. */
    fun has(key: String): Boolean = !json.isNull(key)

    fun oneOf(key: String, vararg allowed: String): String {
        val value = text(key)
        if (value !in allowed) fail(key, "'${value.take(SHOWN)}' is none of ${allowed.joinToString()}")
        return value
    }

    fun int(key: String, range: IntRange): Int = whole(required(key, Number::class.java), at(key), range)

    fun number(key: String): Double {
        val value = required(key, Number::class.java).toDouble()
        if (value.isNaN() || value.isInfinite()) fail(key, "is no number")
        return value
    }

    fun positive(key: String): Double {
        val value = number(key)
        if (value <= 0) fail(key, "must be positive")
        return value
    }

    /** Whole numbers of a list of known length; `null` where the file has null. */
    fun ints(key: String, count: Int, range: IntRange): List<Int?> {
        val array = required(key, JSONArray::class.java)
        if (array.length() != count) fail(key, "needs $count numbers")
        return (0 until count).map { index ->
            if (array.isNull(index)) null
            else whole(array.get(index) as? Number ?: fail(key, "holds no number"), at(key), range)
        }
    }

    /** Numbers of a list of known length. */
    fun numbers(key: String, count: Int, range: ClosedFloatingPointRange<Double>): List<Double> {
        val array = required(key, JSONArray::class.java)
        if (array.length() != count) fail(key, "needs $count numbers")
        return (0 until count).map { index ->
            // get() throws an exception of its own where the file has null.
            val value = (array.opt(index) as? Number ?: fail(key, "holds no number")).toDouble()
            // NaN is in no range.
            if (value !in range) fail(key, "is not from ${range.start} to ${range.endInclusive}")
            value
        }
    }

    fun children(key: String, most: Int): List<JsonReader> {
        val array = required(key, JSONArray::class.java)
        if (array.length() > most) fail(key, "holds more than $most")
        return (0 until array.length()).map { index ->
            val place = "${at(key)}/$index"
            JsonReader(array.opt(index) as? JSONObject ?: throw BundleException("$place is no object"), place)
        }
    }

    private fun <T> required(key: String, type: Class<T>): T {
        if (json.isNull(key)) fail(key, "is missing")
        val value = json.get(key)
        if (!type.isInstance(value)) fail(key, "is of the wrong type")
        return type.cast(value)!!
    }

    private fun at(key: String) = if (path.isEmpty()) key else "$path/$key"

    private fun fail(key: String, reason: String): Nothing = throw BundleException("manifest: ${at(key)} $reason")

    companion object {
        private const val SHOWN = 40
        private const val DEEPEST = 64

        /** The object that a text holds. */
        fun parse(text: String): JsonReader {
            // Android's parser calls itself for every level: a bound keeps its stack.
            if (depth(text) > DEEPEST) throw BundleException("manifest: nested deeper than $DEEPEST levels")
            try {
                return JsonReader(JSONObject(text), "")
            } catch (error: JSONException) {
                throw BundleException("manifest: no JSON object: ${error.message?.take(200)}", error)
            } catch (error: NumberFormatException) {
                // What Android's older parsers throw for a broken backslash-u escape.
                throw BundleException("manifest: no JSON object: a broken escape", error)
            }
        }

        /** Levels of brackets, whether or not they stand inside of strings: never less than the real ones. */
        private fun depth(text: String): Int {
            var level = 0
            var deepest = 0
            for (sign in text) {
                if (sign == '{' || sign == '[') deepest = maxOf(deepest, ++level)
                if (sign == '}' || sign == ']') level--
                if (level < 0) level = 0
            }
            return deepest
        }

        private fun whole(number: Number, place: String, range: IntRange): Int {
            val value = number.toDouble()
            if (value != Math.rint(value)) throw BundleException("manifest: $place is no whole number")
            if (value < range.first || value > range.last) {
                throw BundleException("manifest: $place is not from ${range.first} to ${range.last}")
            }
            return value.toInt()
        }
    }
}
