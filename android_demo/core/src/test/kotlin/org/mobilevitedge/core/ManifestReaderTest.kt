package org.mobilevitedge.core

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.json.JSONArray
import org.json.JSONObject

class ManifestReaderTest {
    private val good = Vectors.text("bundle/manifest.json")

    @Test
    fun `a real manifest is read`() {
        val manifest = ManifestReader.read(good)
        assertEquals("mobilevitv2_050", manifest.model.name)
        assertEquals(Pair(64, 64), Pair(manifest.model.height, manifest.model.width))
        assertEquals(manifest.model.outputs, manifest.labelCount)
        assertEquals("model.onnx", manifest.modelFile.path)
        assertEquals(1 / 255.0, manifest.input.scale)
        assertTrue(manifest.golden.expected.isNotEmpty())
    }

    @Test
    fun `what Python refuses is refused, with a message`() {
        val bad = JSONObject(Vectors.text("bad_manifests.json"))
        assertTrue(bad.length() > 20)
        for (name in bad.keys()) {
            val error = assertFailsWith<BundleException>(name.toString()) { ManifestReader.read(bad.getString(name.toString())) }
            assertTrue(error.message!!.startsWith("manifest"), "$name: ${error.message}")
        }
    }

    @Test
    fun `a model of several images at once is refused`() {
        val json = JSONObject(good)
        json.getJSONObject("input").getJSONArray("shape").put(0, 2)
        val error = assertFailsWith<BundleException> { ManifestReader.read(json.toString()) }
        assertTrue("--batch 1" in error.message!!)
    }

    @Test
    fun `a model that is no classifier is refused with what it does`() {
        for ((task, words) in mapOf("segmentation" to "marks regions", "detection" to "finds objects")) {
            val text = JSONObject(good).put("task", task).put("output", JSONObject()).toString()
            val error = assertFailsWith<BundleException> { ManifestReader.read(text) }
            assertTrue(words in error.message!! && "mobilevit-predict --overlay" in error.message!!)
        }
    }

    @Test
    fun `any damage is a manifest or a refusal, never a crash`() {
        val damaged = JSONArray(Vectors.text("damaged_manifests.json"))
        assertTrue(damaged.length() >= 2000)
        for (index in 0 until damaged.length()) {
            try {
                ManifestReader.read(damaged.getString(index))
            } catch (error: BundleException) {
                assertTrue(error.message!!.length < 1000)
            }
        }
    }
}
