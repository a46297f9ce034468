package org.mobilevitedge.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64
import org.json.JSONArray
import org.json.JSONObject

/** What Python computes, from the folder that the property `vectors` names. */
object Vectors {
    private val folder = File(System.getProperty("vectors") ?: error("-Dvectors=FOLDER is missing"))

    fun text(name: String): String = File(folder, name).readText()

    fun raw(name: String): ByteArray = File(folder, name).readBytes()

    fun cases(name: String): List<JSONObject> = JSONArray(text(name)).let { array ->
        (0 until array.length()).map(array::getJSONObject)
    }

    fun bytes(json: JSONObject, key: String): ByteArray = Base64.getDecoder().decode(json.getString(key))

    fun floats(json: JSONObject, key: String): FloatArray {
        val buffer = ByteBuffer.wrap(bytes(json, key)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(buffer.remaining()).also(buffer::get)
    }

    fun doubles(json: JSONObject, key: String): List<Double> = json.getJSONArray(key).let { array ->
        (0 until array.length()).map(array::getDouble)
    }
}
