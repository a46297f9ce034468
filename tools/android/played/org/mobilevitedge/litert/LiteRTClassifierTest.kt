package org.mobilevitedge.litert

import java.io.File
import java.nio.ByteBuffer
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.Preprocessor
import org.mobilevitedge.core.SelfTest
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor

/** The adapter on a played interpreter: its library runs on phones alone. */
class LiteRTClassifierTest {
    private val vectors = File(System.getProperty("vectors") ?: error("-Dvectors=FOLDER is missing"))
    private val unplayed = Interpreter.played

    @AfterTest
    fun clean() {
        Interpreter.played = unplayed
    }

    private fun bundle(name: String): Bundle = BundleStore(vectors).open(name)

    private fun input(bundle: Bundle) = Preprocessor(bundle.manifest.model, bundle.manifest.input).tensor(SelfTest.image(bundle.manifest))

    private class Answer(private val type: DataType, private val count: Int) : Tensor {
        override fun dataType() = type

        override fun numElements() = count

        override fun numBytes() = 4 * count
    }

    private fun play(bundle: Bundle, vararg outputs: Tensor, run: (ByteBuffer, ByteBuffer) -> Unit = { _, _ -> }) {
        Interpreter.played = Interpreter.Played(input(bundle).remaining(), outputs.toList(), run)
    }

    @Test
    fun `floats and pixels reach the interpreter as they are, and its outputs come back`() {
        for (name in listOf("bundle", "bundle_of_pixels")) {
            val bundle = bundle(name)
            val count = bundle.manifest.model.outputs
            val expected = FloatArray(count) { it / 8f }
            var calls = 0
            play(bundle, Answer(DataType.FLOAT32, count)) { _, output ->
                output.asFloatBuffer().put(expected)
                // As the real one leaves it: at its end.
                output.position(output.limit())
                calls++
            }
            LiteRTClassifier(bundle, 3).use { classifier ->
                repeat(2) { assertContentEquals(expected, classifier.run(input(bundle))) }
            }
            assertEquals(2, calls)
            assertEquals(3, Interpreter.played.threads)
        }
    }

    @Test
    fun `labels come back as numbers, and floats in their place are refused`() {
        val bundle = BundleStore(File(vectors, "dense")).open("labels")
        val count = bundle.manifest.output.count
        val labels = IntArray(count) { it % 3 }
        play(bundle, Answer(DataType.INT32, count)) { _, output -> output.asIntBuffer().put(labels) }
        LiteRTClassifier(bundle, 1).use { classifier ->
            assertContentEquals(FloatArray(count) { labels[it].toFloat() }, classifier.run(input(bundle)))
        }
        play(bundle, Answer(DataType.FLOAT32, count))
        val error = assertFailsWith<BundleException> { LiteRTClassifier(bundle, 1) }
        assertTrue("not $count whole numbers" in error.message!!)
    }

    @Test
    fun `a stranger's model with another output is refused in words`() {
        val bundle = bundle("bundle")
        val count = bundle.manifest.model.outputs
        for (outputs in listOf(emptyArray(), arrayOf(Answer(DataType.INT64, count)), arrayOf(Answer(DataType.FLOAT32, count + 1)))) {
            play(bundle, *outputs)
            val error = assertFailsWith<BundleException> { LiteRTClassifier(bundle, 1) }
            assertTrue("not $count floats" in error.message!! || "cannot load the model" in error.message!!)
        }
    }

    @Test
    fun `what fails at work is told in words`() {
        val bundle = bundle("bundle")
        play(bundle, Answer(DataType.FLOAT32, bundle.manifest.model.outputs)) { _, _ -> throw IllegalStateException("Internal error: Failed to run") }
        LiteRTClassifier(bundle, 1).use { classifier ->
            val error = assertFailsWith<BundleException> { classifier.run(input(bundle)) }
            assertTrue("cannot run the model" in error.message!!)
        }
    }
}
