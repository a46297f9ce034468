package org.mobilevitedge.onnx

import java.io.File
import java.nio.ByteBuffer
import java.util.Base64
import kotlin.math.abs
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.json.JSONObject
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.Finding
import org.mobilevitedge.core.Pixels
import org.mobilevitedge.core.Preprocessor
import org.mobilevitedge.core.Recognizer
import org.mobilevitedge.core.SelfTest
import org.mobilevitedge.core.TopClasses

/** The adapter on the real ONNX Runtime, against Python's answers for a photo. */
class OnnxClassifierTest {
    private val vectors = File(System.getProperty("vectors") ?: error("-Dvectors=FOLDER is missing"))
    private val photo = JSONObject(File(vectors, "photo.json").readText())

    private fun bundle(name: String): Bundle = BundleStore(vectors).open(name)

    private fun answersAsPython(name: String) {
        val bundle = bundle(name)
        val image = Pixels(photo.getInt("width"), photo.getInt("height"), Base64.getDecoder().decode(photo.getString("rgb")))
        val preprocessor = Preprocessor(bundle.manifest.model, bundle.manifest.input)
        val expected = photo.getJSONObject("answers").getJSONObject(name)
        OnnxClassifier(bundle, threads = 1).use { classifier ->
            val outputs = classifier.run(preprocessor.tensor(preprocessor.resize(image)))
            val top = TopClasses.of(TopClasses.probabilities(outputs, bundle.manifest.output.scores), bundle.labels, 5)
            assertEquals(List(5) { expected.getJSONArray("top5").getInt(it) }, top.map { it.index })
            // The same library, the same threads: only the order of sums may differ.
            val worst = outputs.indices.maxOf { abs(outputs[it] - expected.getJSONArray("outputs").getDouble(it)) }
            assertTrue(worst <= 1e-4, "off by $worst")
            assertTrue(SelfTest.run(bundle.manifest, classifier).passed)
            assertTrue(Regex("""\d+\.\d+\.\d+.*""").matches(classifier.version), classifier.version)
        }
    }

    @Test
    fun `a model that takes floats answers as in Python`() = answersAsPython("bundle")

    @Test
    fun `a model that takes pixels answers as in Python`() = answersAsPython("bundle_of_pixels")

    @Test
    fun `masks and boxes of a photo are those of Python`() {
        val image = Pixels(photo.getInt("width"), photo.getInt("height"), Base64.getDecoder().decode(photo.getString("rgb")))
        val answers = photo.getJSONObject("dense")
        for (name in listOf("logits", "full_logits", "labels", "decoded")) {
            val bundle = BundleStore(File(vectors, "dense")).open(name)
            val expected = answers.getJSONObject(name)
            Recognizer.open(bundle) { OnnxClassifier(it, threads = 1) }.use { recognizer ->
                when (val finding = recognizer.recognize(image).finding) {
                    is Finding.Regions -> {
                        val shares = finding.mask.shares(bundle.labels)
                        assertTrue(shares.size > 1, "$name is of one class alone")
                        // The same library: only pixels between two classes may differ.
                        for (share in shares) assertEquals(expected.getJSONObject("shares").getDouble("${share.index}"), share.probability, 1e-4, name)
                    }
                    is Finding.Objects -> {
                        val found = expected.getJSONArray("found")
                        assertEquals(List(found.length()) { found.getJSONObject(it).getInt("index") }, finding.boxes.map { it.index })
                        assertTrue(finding.boxes.isNotEmpty())
                        for ((number, box) in finding.boxes.withIndex()) {
                            assertEquals(found.getJSONObject(number).getDouble("probability"), box.probability, 1e-5)
                            assertEquals(found.getJSONObject(number).getJSONArray("box").getDouble(3), box.area.bottom, 0.01)
                        }
                    }
                    is Finding.Classes -> error("$name classifies")
                }
            }
        }
    }

    @Test
    fun `labels in floats are refused in words`() {
        val dense = BundleStore(File(vectors, "dense"))
        val (labels, logits) = Pair(dense.open("labels"), dense.open("full_logits"))
        OnnxClassifier(Bundle(logits.folder, labels.manifest, labels.labels), threads = 1).use { classifier ->
            val error = assertFailsWith<BundleException> { SelfTest.run(labels.manifest, classifier) }
            assertTrue("no tensor of whole numbers" in error.message!!)
        }
    }

    @Test
    fun `a file that is no model is refused in words`() {
        val good = bundle("bundle")
        val folder = kotlin.io.path.createTempDirectory("model").toFile()
        try {
            File(folder, "model.onnx").writeBytes(ByteArray(100) { 7 })
            val error = assertFailsWith<BundleException> { OnnxClassifier(Bundle(folder, good.manifest, good.labels), 1) }
            assertTrue("cannot load the model" in error.message!!)
        } finally {
            folder.deleteRecursively()
        }
    }

    @Test
    fun `a stranger's model with another output is refused in words`() {
        val good = bundle("bundle")
        val models = File(vectors, "strange").listFiles()!!.sorted()
        assertEquals(listOf("a_sequence", "another_name", "few_outputs", "whole_numbers"), models.map { it.name })
        for (folder in models) {
            OnnxClassifier(Bundle(folder, good.manifest, good.labels), 1).use { classifier ->
                val reason = try {
                    SelfTest.run(good.manifest, classifier).reason
                } catch (error: BundleException) {
                    error.message!!
                }
                val expected = mapOf("a_sequence" to "no tensor of floats", "whole_numbers" to "no tensor of floats", "few_outputs" to "gives 3 outputs", "another_name" to "cannot run the model")
                assertTrue(expected.getValue(folder.name) in reason, "${folder.name}: $reason")
            }
        }
    }

    @Test
    fun `a closed model is refused in words`() {
        val bundle = bundle("bundle")
        val classifier = OnnxClassifier(bundle, 1).also { it.close() }
        val error = assertFailsWith<BundleException> { SelfTest.run(bundle.manifest, classifier) }
        assertTrue("cannot run the model" in error.message!!)
    }

    @Test
    fun `an input of another size is refused in words`() {
        OnnxClassifier(bundle("bundle"), threads = 2).use { classifier ->
            val error = assertFailsWith<BundleException> { classifier.run(ByteBuffer.allocateDirect(16)) }
            assertTrue("cannot run the model" in error.message!!)
        }
    }
}
