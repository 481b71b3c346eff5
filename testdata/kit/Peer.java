import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.crypto.spec.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cms.*;
import org.bouncycastle.asn1.pkcs.*;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.*;
import org.bouncycastle.operator.*;
import org.bouncycastle.operator.jcajce.*;

/**
 * BouncyCastle as a peer. Every line of standard input is a job, its words
 * parted by tabs, and is answered by a line "ok" or by what went wrong:
 *
 *   envelope OUT IN CIPHER HOW RECIPIENT...   HOW: plain, stream, originator, attributes
 *   sign OUT IN ALGORITHM CERT KEY HOW        HOW: detached, opaque, stream, keyid, direct
 *   compress OUT IN
 *   decrypt OUT IN CERT KEY
 *   verify OUT IN                             IN: an opaque SignedData; OUT: its content
 *   check CONTENT SIGNATURE                   a detached signature
 */
public class Peer {
    static final Provider BC = new BouncyCastleProvider();

    public static void main(String[] args) throws Exception {
        Security.addProvider(BC);
        var in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            try {
                run(line.split("\t"));
                System.out.println("ok");
            } catch (Exception e) {
                System.out.println(e.toString().replace('\n', ' '));
            }
            System.out.flush();
        }
    }

    static void run(String[] w) throws Exception {
        switch (w[0]) {
            case "envelope" -> envelope(w);
            case "sign" -> sign(w);
            case "compress" -> write(w[1], new CMSCompressedDataGenerator().generate(new CMSProcessableByteArray(read(w[2])), new ZlibCompressor()).getEncoded());
            case "decrypt" -> decrypt(w);
            case "verify" -> write(w[1], verify(new CMSSignedData(read(w[2]))));
            case "check" -> verify(new CMSSignedData(new CMSProcessableByteArray(read(w[1])), read(w[2])));
            default -> throw new IllegalArgumentException(w[0]);
        }
    }

    static byte[] read(String file) throws Exception { return Files.readAllBytes(Path.of(file)); }

    static void write(String file, byte[] data) throws Exception { Files.write(Path.of(file), data); }

    static byte[] pem(String file) throws Exception {
        String text = Files.readString(Path.of(file));
        text = text.substring(text.indexOf("-----BEGIN"));
        return Base64.getMimeDecoder().decode(text.replaceAll("-----[^-]*-----", ""));
    }

    static X509Certificate certificate(String file) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem(file)));
    }

    static PrivateKey key(String file) throws Exception {
        var info = PrivateKeyInfo.getInstance(pem(file));
        return BouncyCastleProvider.getPrivateKey(info);
    }

    static byte[] keyId(X509Certificate c) {
        return ASN1OctetString.getInstance(ASN1OctetString.getInstance(c.getExtensionValue("2.5.29.14")).getOctets()).getOctets();
    }

    static ASN1ObjectIdentifier oid(String name) throws Exception {
        return (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(name).get(null);
    }

    /** rsa:CERT, keyid:CERT, oaep:CERT:HASH:MGF-HASH, ecdh:CERT:KDF:WRAP[:ukm], ecdhkeyid:CERT:KDF:WRAP, kek, password */
    static RecipientInfoGenerator recipient(String spec) throws Exception {
        String[] s = spec.split(":");
        switch (s[0]) {
            case "rsa": return new JceKeyTransRecipientInfoGenerator(certificate(s[1])).setProvider(BC);
            case "keyid": return new JceKeyTransRecipientInfoGenerator(keyId(certificate(s[1])), certificate(s[1]).getPublicKey()).setProvider(BC);
            case "oaep":
                var params = new OAEPParameterSpec(s[2], "MGF1", new MGF1ParameterSpec(s[3]), PSource.PSpecified.DEFAULT);
                return new JceKeyTransRecipientInfoGenerator(certificate(s[1]), new JcaAlgorithmParametersConverter()
                    .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, params)).setProvider(BC);
            case "kek":
                return new JceKEKRecipientInfoGenerator(new byte[] {1, 2, 3}, new SecretKeySpec(new byte[16], "AES")).setProvider(BC);
            case "password":
                return new JcePasswordRecipientInfoGenerator(CMSAlgorithm.AES128_CBC, "TEST-ONLY".toCharArray()).setProvider(BC);
            default: return agreement(s);
        }
    }

    static RecipientInfoGenerator agreement(String[] s) throws Exception {
        X509Certificate to = certificate(s[1]);
        var generator = KeyPairGenerator.getInstance("EC", BC);
        generator.initialize(((java.security.interfaces.ECPublicKey) to.getPublicKey()).getParams());
        KeyPair ours = generator.generateKeyPair();
        var g = new JceKeyAgreeRecipientInfoGenerator(oid(s[2]), ours.getPrivate(), ours.getPublic(), oid(s[3])).setProvider(BC);
        if (s.length > 4) {
            g.setUserKeyingMaterial(s[4].getBytes());
        }
        return s[0].equals("ecdhkeyid") ? g.addRecipient(keyId(to), to.getPublicKey()) : g.addRecipient(to);
    }

    static CMSAttributeTableGenerator attributes(String text) {
        var attribute = new org.bouncycastle.asn1.cms.Attribute(new ASN1ObjectIdentifier("2.999.5"), new DERSet(new DERUTF8String(text)));
        return parameters -> new AttributeTable(new DERSet(attribute));
    }

    static void envelope(String[] w) throws Exception {
        var to = new ArrayList<RecipientInfoGenerator>();
        for (int i = 5; i < w.length; i++) {
            to.add(recipient(w[i]));
        }
        var content = new CMSProcessableByteArray(read(w[2]));
        OutputEncryptor encryptor = new JceCMSContentEncryptorBuilder(oid(w[3])).setProvider(BC).build();
        boolean gcm = w[3].endsWith("GCM"), stream = w[4].equals("stream");
        CMSEnvelopedGenerator g = gcm ? new CMSAuthEnvelopedDataGenerator() : stream ? new CMSEnvelopedDataStreamGenerator() : new CMSEnvelopedDataGenerator();
        to.forEach(g::addRecipientInfoGenerator);
        if (w[4].equals("originator")) {
            g.setOriginatorInfo(new OriginatorInfoGenerator(new JcaX509CertificateHolder(certificate(w[5].split(":")[1]))).generate());
        }
        if (w[4].equals("attributes") && gcm) {
            ((CMSAuthEnvelopedDataGenerator) g).setAuthenticatedAttributeGenerator(attributes("authenticated"));
            ((CMSAuthEnvelopedDataGenerator) g).setUnauthenticatedAttributeGenerator(attributes("not authenticated"));
        } else if (w[4].equals("attributes")) {
            g.setUnprotectedAttributeGenerator(attributes("not protected"));
        }
        if (!stream) {
            write(w[1], gcm ? ((CMSAuthEnvelopedDataGenerator) g).generate(content, (OutputAEADEncryptor) encryptor).getEncoded()
                : ((CMSEnvelopedDataGenerator) g).generate(content, encryptor).getEncoded());
            return;
        }
        try (OutputStream f = Files.newOutputStream(Path.of(w[1]));
             OutputStream o = ((CMSEnvelopedDataStreamGenerator) g).open(f, encryptor)) {
            content.write(o);
        }
    }

    static void sign(String[] w) throws Exception {
        X509Certificate c = certificate(w[4]);
        ContentSigner signer = new JcaContentSignerBuilder(w[3]).setProvider(BC).build(key(w[5]));
        var builder = new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider(BC).build());
        builder.setDirectSignature(w[6].equals("direct"));
        var info = w[6].equals("keyid") ? builder.build(signer, keyId(c)) : builder.build(signer, c);
        var certs = new ArrayList<X509Certificate>(List.of(c));
        for (int i = 7; i < w.length; i++) {
            certs.add(certificate(w[i]));
        }
        if (w[6].equals("stream")) {
            var g = new CMSSignedDataStreamGenerator();
            g.addSignerInfoGenerator(info);
            g.addCertificates(new JcaCertStore(certs));
            try (OutputStream f = Files.newOutputStream(Path.of(w[1])); OutputStream o = g.open(f, true)) {
                o.write(read(w[2]));
            }
            return;
        }
        var g = new CMSSignedDataGenerator();
        g.addSignerInfoGenerator(info);
        g.addCertificates(new JcaCertStore(certs));
        write(w[1], g.generate(new CMSProcessableByteArray(read(w[2])), w[6].equals("opaque")).getEncoded());
    }

    static void decrypt(String[] w) throws Exception {
        byte[] der = read(w[2]);
        var kind = org.bouncycastle.asn1.cms.ContentInfo.getInstance(der).getContentType();
        boolean gcm = kind.equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore all = gcm ? new CMSAuthEnvelopedData(der).getRecipientInfos() : new CMSEnvelopedData(der).getRecipientInfos();
        X509Certificate c = certificate(w[3]);
        PrivateKey key = key(w[4]);
        boolean ec = key.getAlgorithm().startsWith("EC");
        RecipientId id = ec ? new JceKeyAgreeRecipientId(c) : new JceKeyTransRecipientId(c);
        RecipientInformation r = all.get(id);
        if (r == null) {
            throw new CMSException("no recipient is " + c.getSubjectX500Principal());
        }
        Recipient how = ec ? new JceKeyAgreeEnvelopedRecipient(key).setProvider(BC)
            : gcm ? new JceKeyTransAuthEnvelopedRecipient(key).setProvider(BC)
            : new JceKeyTransEnvelopedRecipient(key).setProvider(BC);
        write(w[1], r.getContent(how));
    }

    static byte[] verify(CMSSignedData data) throws Exception {
        for (SignerInformation s : data.getSignerInfos()) {
            var holder = (org.bouncycastle.cert.X509CertificateHolder) data.getCertificates().getMatches(s.getSID()).iterator().next();
            if (!s.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(holder))) {
                throw new CMSException("the signature is bad");
            }
        }
        if (data.getSignerInfos().size() == 0) {
            throw new CMSException("there is no signature");
        }
        return (byte[]) data.getSignedContent().getContent();
    }
}
