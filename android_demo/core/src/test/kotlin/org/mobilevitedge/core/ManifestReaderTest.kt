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
    fun `a head is read with the form of its answer`() {
        fun head(name: String) = ManifestReader.read(Vectors.text("dense/$name/manifest.json"))
        for ((name, answer) in mapOf("logits" to MaskAnswer.LOGITS, "full_logits" to MaskAnswer.FULL_LOGITS, "labels" to MaskAnswer.LABELS)) {
            val manifest = head(name)
            assertEquals(answer, (manifest.head as Head.Masks).answer)
            assertEquals(answer == MaskAnswer.LABELS, manifest.output.isWhole)
        }
        assertEquals(4 * 4, head("logits").output.count / 4)
        assertEquals(64 * 64, head("labels").output.count)
        val boxes = head("decoded").head as Head.Boxes
        assertEquals(Pair(0.01f, 0.5), Pair(boxes.rules.score, boxes.rules.overlap))
    }

    @Test
    fun `a head that this app cannot show is refused with the way out`() {
        fun refusal(name: String, change: (JSONObject) -> Unit): String {
            val json = JSONObject(Vectors.text("dense/$name/manifest.json")).also(change)
            return assertFailsWith<BundleException> { ManifestReader.read(json.toString()) }.message!!
        }
        for (form in listOf("raw", "nms")) {
            val refused = refusal("decoded") { it.getJSONObject("head").put("answer", form) }
            assertTrue("--boxes $form" in refused && "--boxes decoded" in refused, refused)
        }
        val slow = refusal("decoded") { it.getJSONObject("head").getJSONObject("boxes").put("candidates", 100_000) }
        assertTrue("at most 5000" in slow, slow)
        val large = refusal("full_logits") {
            val (side, classes) = Pair(2048, 4)
            it.getJSONObject("model").put("image_size", JSONArray(listOf(side, side)))
            it.getJSONObject("input").put("shape", JSONArray(listOf(1, 3, side, side))).getJSONObject("resize").put("cover", JSONArray(listOf(side, side)))
            it.getJSONObject("output").put("shape", JSONArray(listOf(1, classes, side, side)))
        }
        assertTrue("memory" in large && "--mask labels" in large, large)
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
