package org.mobilevitedge.core

import kotlin.test.Test
import kotlin.test.assertEquals
import org.json.JSONObject

class ModelTitleTest {
    @Test
    fun `names are those that the other app shows`() {
        val names = JSONObject(Vectors.text("names.json"))
        for (name in names.keys()) assertEquals(names.getString(name.toString()), ModelTitle.name(name.toString()))
    }

    @Test
    fun `below the name stands what tells models apart`() {
        val manifest = ManifestReader.read(Vectors.text("bundle/manifest.json"))
        val bytes = manifest.modelFile.bytes / 1e6
        assertEquals(ModelTitle("MobileViTv2 0.5", "ONNX · fp32 · 64 × 64 · %.1f MB".format(java.util.Locale.ROOT, bytes)), ModelTitle.of(manifest))
    }
}
