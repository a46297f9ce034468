package org.mobilevitedge.core

import java.io.ByteArrayOutputStream
import java.io.File
import java.io.InputStream
import java.nio.file.Files
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import kotlin.random.Random
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class BundleStoreTest {
    private val root: File = Files.createTempDirectory("bundles").toFile()
    private val store = BundleStore(root, MAX_BYTES)
    private val files = listOf("manifest.json", "labels.txt", "model.onnx").associateWith { Vectors.raw("bundle/$it") }

    @AfterTest
    fun clean() {
        root.deleteRecursively()
    }

    @Test
    fun `an exported bundle is kept and opened`() {
        val bundle = store.install("demo", zip(files))
        assertEquals(10, bundle.labels.size)
        assertTrue(bundle.model.isFile)
        assertEquals(listOf("demo"), store.names())
        assertEquals(bundle.labels, store.open("demo").labels)
        store.install("demo", zip(files))
        assertEquals(listOf("demo"), store.names())
    }

    @Test
    fun `a deleted bundle is gone, and deleting it again is no error`() {
        store.install("demo", zip(files))
        repeat(2) { store.delete("demo") }
        assertEquals(emptyList(), root.list()!!.toList())
        assertFailsWith<IllegalArgumentException> { store.delete("../demo") }
    }

    @Test
    fun `a full storage is told in words`() {
        val full = object : InputStream() {
            override fun read(): Int = throw java.io.IOException("write failed: ENOSPC (No space left on device)")
        }
        val error = assertFailsWith<BundleException> { store.install("demo", full) }
        assertTrue("the storage is full" in error.message!!)
    }

    @Test
    fun `what is no whole bundle is refused and leaves nothing`() {
        val labels = files.getValue("labels.txt")
        val refused = mapOf(
            "no zip" to (byteArrayOf(1, 2, 3).inputStream() to "zip"),
            "nothing" to (zip(emptyMap()) to "zip"),
            "no manifest" to (zip(files - "manifest.json") to "lacks manifest.json"),
            "no model" to (zip(files - "model.onnx") to "lacks model.onnx"),
            "other labels" to (zip(files + ("labels.txt" to labels.reversedArray())) to "not the file"),
            "a path that leads out" to (zip(files + ("../evil" to labels)) to "leads out"),
            "an absolute path" to (zip(files + ("/evil" to labels)) to "leads out"),
            "many files" to (zip(files + (0..100).associate { "f$it" to labels }) to "more than"),
            "a bomb" to (bomb() to "larger than"),
            "no text" to (zip(files + ("manifest.json" to byteArrayOf(-1, -2))) to "UTF-8"),
        )
        for ((name, case) in refused) {
            val error = assertFailsWith<BundleException>(name) { store.install("demo", case.first) }
            assertTrue(case.second in error.message!!, "$name: ${error.message}")
        }
        assertEquals(emptyList(), root.list()!!.toList())
        assertTrue(!File(root.parentFile, "evil").exists())
    }

    @Test
    fun `a damaged zip is a refusal, never a crash`() {
        val whole = zip(files).readBytes()
        val random = Random(0)
        repeat(200) {
            val damaged = whole.copyOf(random.nextInt(whole.size + 1))
            if (damaged.isNotEmpty()) repeat(20) { damaged[random.nextInt(minOf(2000, damaged.size))] = random.nextInt().toByte() }
            try {
                store.install("demo", damaged.inputStream())
            } catch (error: BundleException) {
                assertTrue(error.message!!.length < 1000)
            }
        }
    }

    @Test
    fun `labels are one a line, as many as classes`() {
        assertEquals(listOf("a", "b c"), Labels.parse("\uFEFFa\r\nb c\n\n", 2))
        assertFailsWith<BundleException> { Labels.parse("a\n\nb", 3) }
        assertFailsWith<BundleException> { Labels.parse("a\nb", 3) }
        assertFailsWith<BundleException> { Labels.parse("", 1) }
    }

    private fun zip(entries: Map<String, ByteArray>): InputStream {
        val bytes = ByteArrayOutputStream()
        ZipOutputStream(bytes).use { zip ->
            for ((name, content) in entries) {
                zip.putNextEntry(ZipEntry(name))
                zip.write(content)
            }
        }
        return bytes.toByteArray().inputStream()
    }

    /** A little more than is allowed, in a few kilobytes. */
    private fun bomb(): InputStream {
        val bytes = ByteArrayOutputStream()
        ZipOutputStream(bytes).use { zip ->
            zip.putNextEntry(ZipEntry("model.onnx"))
            zip.write(ByteArray(MAX_BYTES.toInt() + 1))
        }
        return bytes.toByteArray().inputStream()
    }

    private companion object {
        const val MAX_BYTES = 16L shl 20
    }
}
