package org.mobilevitedge.qnn

import ai.onnxruntime.Asked
import ai.onnxruntime.OrtEnvironment
import java.io.File
import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.Classifier
import org.mobilevitedge.core.ManifestReader
import org.mobilevitedge.core.SelfTest
import org.mobilevitedge.onnx.OnnxClassifier

/** What the adapter asks of ONNX Runtime; the NPU is played by the processor. */
class QnnTest {
    private val folder = kotlin.io.path.createTempDirectory("qnn").toFile()
    private val variables = mutableMapOf<String, String>()
    private val vectors = File(System.getProperty("vectors") ?: error("-Dvectors=FOLDER is missing"))

    /** A real bundle whose model lies there once more, as if compiled for a chip, and not as a model. */
    private val bundle: Bundle = BundleStore(vectors).open("bundle").let { good ->
        File(folder, "contexts").mkdirs()
        good.model.copyTo(File(folder, "contexts/sm8650.onnx"))
        Bundle(folder, good.manifest.copy(contexts = mapOf("sm8650" to "contexts/sm8650.onnx")), good.labels)
    }

    private fun qnn(chip: String?) = Qnn(folder, chip) { name, value -> variables[name] = value }

    private fun provider() = File(folder, "libonnxruntime_providers_qnn.so").apply { createNewFile() }

    @AfterTest
    fun clean() {
        OrtEnvironment.getEnvironment().unregisterExecutionProviderLibrary("QNNExecutionProvider")
        folder.deleteRecursively()
    }

    @Test
    fun `what was compiled for the phone's chip runs on the NPU alone`() {
        provider()
        // A second model needs the library once more, which is registered already.
        repeat(2) {
            qnn("SM8650P").load(bundle).use { classifier ->
                assertEquals(Classifier.NPU, classifier.unit)
                assertTrue(SelfTest.run(bundle.manifest, classifier).passed)
            }
        }
        assertEquals("1", Asked.entry("session.disable_cpu_ep_fallback"))
        assertEquals("QNNExecutionProvider", Asked.device())
        assertEquals("htp", Asked.provider()["backend_type"])
        assertEquals(mapOf("ADSP_LIBRARY_PATH" to folder.path), variables)
    }

    @Test
    fun `another chip compiles the model itself`() {
        provider()
        for (chip in listOf("SM8550", null)) {
            // There is none beside the context here.
            val error = assertFailsWith<BundleException> { qnn(chip).load(bundle) }
            assertTrue("cannot load the model" in error.message!!)
        }
        assertNull(bundle.compiledFor("SM8550"))
    }

    @Test
    fun `without the library the refusal says how to build it`() {
        assertFalse(qnn("SM8650").isPresent)
        val error = assertFailsWith<BundleException> { qnn("SM8650").load(bundle) }
        assertTrue("-Pqnn" in error.message!!)
    }

    @Test
    fun `a provider without a device is refused in words`() {
        provider()
        val environment = OrtEnvironment.getEnvironment()
        qnn("SM8650").load(bundle).close()
        environment.unregisterExecutionProviderLibrary("QNNExecutionProvider")
        val error = assertFailsWith<BundleException> { qnn("SM8650").load(bundle) }
        assertTrue("no NPU" in error.message!!, error.message)
    }

    @Test
    fun `an NPU may round where the processor may not`() {
        val good = BundleStore(vectors).open("bundle")
        val exact = OnnxClassifier(good, threads = 1)
        val largest = good.manifest.golden.expected.maxOf { abs(it.value) }
        for ((share, passes) in mapOf(0.05 to true, 0.2 to false)) {
            fun rounded(unit: String) = object : Classifier by exact {
                override val unit = unit

                override fun run(input: ByteBuffer) = exact.run(input).also { it[good.manifest.golden.expected[0].index] += (share * largest).toFloat() }
            }
            assertEquals(passes, SelfTest.run(good.manifest, rounded(Classifier.NPU)).passed)
            assertFalse(SelfTest.run(good.manifest, rounded(Classifier.CPU)).passed)
        }
        exact.close()
    }

    @Test
    fun `contexts that are not files of the bundle are refused`() {
        val text = File(vectors, "bundle/manifest.json").readText()
        val entry = """"contexts": [{"soc": "sm8650", "file": "../x.onnx"}],"""
        val changed = if ("\"contexts\": []," in text) text.replace("\"contexts\": [],", entry) else text.replaceFirst("{", "{$entry")
        val error = assertFailsWith<BundleException> { ManifestReader.read(changed) }
        assertTrue("contexts" in error.message!!, error.message)
        assertEquals(emptyMap<String, String>(), ManifestReader.read(text).contexts)
    }
}
