package org.mobilevitedge.executorch

import java.io.File
import java.nio.FloatBuffer
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.CpuFeatures
import org.mobilevitedge.core.Preprocessor
import org.mobilevitedge.core.SelfTest
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** The adapter on a played module: its library runs on phones alone. */
class ExecuTorchClassifierTest {
    private val vectors = File(System.getProperty("vectors") ?: error("-Dvectors=FOLDER is missing"))
    private val unplayed = Module.played

    @AfterTest
    fun clean() {
        Module.played = unplayed
    }

    private fun bundle(name: String): Bundle = BundleStore(vectors).open(name)

    private fun tensor(bundle: Bundle) = Preprocessor(bundle.manifest.model, bundle.manifest.input).tensor(SelfTest.image(bundle.manifest))

    private fun answer(vararg values: Float): EValue {
        val floats = java.nio.ByteBuffer.allocateDirect(4 * values.size).asFloatBuffer().put(values)
        floats.rewind()
        return EValue.from(Tensor.fromBlob(floats as FloatBuffer, longArrayOf(1, values.size.toLong())))
    }

    private fun whole(): EValue = EValue.from(Tensor.fromBlobUnsigned(java.nio.ByteBuffer.allocateDirect(2), longArrayOf(2)))

    @Test
    fun `floats and pixels reach the module in their shape, and its outputs come back`() {
        for ((name, shape) in mapOf("bundle" to longArrayOf(1, 3, 64, 64), "bundle_of_pixels" to longArrayOf(1, 64, 64, 3))) {
            var heard = longArrayOf()
            Module.played = Module.Played { input -> arrayOf(answer(0.5f, 2f)).also { heard = input.toTensor().shape } }
            ExecuTorchClassifier(bundle(name), 1, null).use { assertContentEquals(floatArrayOf(0.5f, 2f), it.run(tensor(bundle(name)))) }
            assertContentEquals(shape, heard)
        }
    }

    @Test
    fun `labels come back as numbers, and floats in their place are refused`() {
        val bundle = BundleStore(File(vectors, "dense")).open("labels")
        val whole = java.nio.ByteBuffer.allocateDirect(12).asIntBuffer().put(intArrayOf(2, 0, 1))
        whole.rewind()
        Module.played = Module.Played { arrayOf(EValue.from(Tensor.fromBlob(whole as java.nio.IntBuffer, longArrayOf(3)))) }
        ExecuTorchClassifier(bundle, 1, null).use { assertContentEquals(floatArrayOf(2f, 0f, 1f), it.run(tensor(bundle))) }
        Module.played = Module.Played { arrayOf(answer(0.5f)) }
        ExecuTorchClassifier(bundle, 1, null).use { classifier ->
            val error = assertFailsWith<BundleException> { classifier.run(tensor(bundle)) }
            assertTrue("cannot run the model" in error.message!!)
        }
    }

    @Test
    fun `a stranger's model with another output is refused in words`() {
        val bundle = bundle("bundle")
        val outputs = mapOf("nothing" to emptyArray(), "none" to arrayOf(EValue.optionalNone()), "bytes" to arrayOf(whole()))
        for ((name, output) in outputs) {
            Module.played = Module.Played { output }
            ExecuTorchClassifier(bundle, 1, null).use { classifier ->
                val error = assertFailsWith<BundleException>(name) { classifier.run(tensor(bundle)) }
                assertTrue("cannot run the model" in error.message!!)
            }
        }
    }

    @Test
    fun `a file without the method is refused in words`() {
        Module.played = Module.Played(methods = setOf("encode")) { emptyArray() }
        val error = assertFailsWith<BundleException> { ExecuTorchClassifier(bundle("bundle"), 1, null) }
        assertTrue("cannot load the model" in error.message!! && "forward" in error.message!!)
    }

    @Test
    fun `a processor that its library would crash on is refused before it is loaded`() {
        val error = assertFailsWith<BundleException> { ExecuTorchClassifier(bundle("bundle"), 1, CpuFeatures.parse("Features : fp asimd crc32")) }
        assertTrue("too old for ExecuTorch" in error.message!! && "onnx" in error.message!!)
        ExecuTorchClassifier(bundle("bundle"), 1, CpuFeatures.parse("Features : fp asimd atomics asimddp")).close()
    }

    @Test
    fun `closing a module that is at work does not end the app`() {
        Module.played = Module.Played(isExecuting = true) { emptyArray() }
        ExecuTorchClassifier(bundle("bundle"), 1, null).close()
    }
}
