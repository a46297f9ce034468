package org.mobilevitedge.core

import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class TopClassesTest {
    @Test
    fun `probabilities and order are Python's`() {
        for (case in Vectors.cases("answers.json")) {
            val logits = Vectors.doubles(case, "logits").map { it.toFloat() }.toFloatArray()
            val labels = logits.indices.map { "class $it" }
            val scores = if (case.getString("task") == "multilabel") Scores.INDEPENDENT_LOGITS else Scores.LOGITS
            val classes = TopClasses.of(TopClasses.probabilities(logits, scores), labels, count = logits.size)
            val probabilities = Vectors.doubles(case, "probabilities")
            assertEquals(Vectors.doubles(case, "order").map { it.toInt() }, classes.map { it.index })
            for (score in classes) assertEquals(probabilities[score.index], score.probability, 1e-6)
        }
    }

    @Test
    fun `the self-test passes on the expected answer alone`() {
        val manifest = ManifestReader.read(Vectors.text("bundle/manifest.json"))
        val right = FloatArray(manifest.model.outputs) { -100f }
        for (expected in manifest.golden.expected) right[expected.index] = expected.value.toFloat()
        assertTrue(SelfTest.run(manifest, answering(right)).passed)

        val index = manifest.golden.expected[0].index
        val wrong = right.copyOf().also { it[index] += (2 * manifest.golden.tolerance).toFloat() + 0.01f }
        assertFalse(SelfTest.run(manifest, answering(wrong)).passed)
        assertFalse(SelfTest.run(manifest, answering(right.copyOf().also { it[index] = Float.NaN })).passed)
        val other = right.indices.first { number -> manifest.golden.expected.none { it.index == number } }
        assertFalse(SelfTest.run(manifest, answering(right.copyOf().also { it[other] = 100f })).passed)
        assertTrue("outputs" in SelfTest.run(manifest, answering(FloatArray(3))).reason)
    }

    @Test
    fun `an NPU may answer with other numbers, and not with other classes`() {
        for ((name, passes) in mapOf("decoded" to true, "labels" to false)) {
            val read = ManifestReader.read(Vectors.text("dense/$name/manifest.json"))
            val expected = read.golden.expected[0].copy(value = 20.0)
            val golden = read.golden.run { Manifest.Golden(rows, columns, pixels, listOf(expected), tolerance) }
            val manifest = read.copy(golden = golden)
            fun answer(value: Float) = FloatArray(manifest.output.count).also { it[expected.index] = value }
            assertTrue(SelfTest.run(manifest, answering(answer(20f), Classifier.NPU)).passed)
            assertFalse(SelfTest.run(manifest, answering(answer(21f))).passed)
            assertEquals(passes, SelfTest.run(manifest, answering(answer(21f), Classifier.NPU)).passed, name)
        }
    }

    private fun answering(outputs: FloatArray, on: String = Classifier.CPU) = object : Classifier {
        override val runtime = "made up"
        override val version: String? = null
        override val unit = on

        override fun run(input: ByteBuffer) = outputs

        override fun close() = Unit
    }
}
